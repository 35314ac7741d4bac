"""Addresses of callers: where a call comes from, and what is counted as one place."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv4Address

_ONE_SITE: Final = 64
"""Bits of an IPv6 address that its holder can't choose."""


def network_of(address: str) -> str:
    """What an address is counted under: itself, or of IPv6 its /64, of which one machine has all.

    What is no address is itself, too.
    """
    found = _read(address)
    if found is None:
        return address
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ip_network((int(found), _ONE_SITE), strict=False))
    return str(found)


def forwarded_for(values: Sequence[str], peer: str) -> str:
    """The client's address, as the proxy before this server tells it.

    Args:
        values: Values of X-Forwarded-For in order. A client may send any; the last address is the
            one that the proxy itself added.
        peer: The proxy's address, which is told where there is none of a client.
    """
    last = values[-1].rpartition(",")[2].strip() if values else ""
    found = _read(last) or _read(_without_port(last))
    return peer if found is None else str(found)


def _read(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _without_port(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0]
