"""Addresses of callers, and the networks that limits count them by."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv4Address

_ONE_SITE: Final = 64
"""Bits of an IPv6 address that its holder can't choose."""


def network_of(address: str) -> str:
    """The network that an address is counted under: for IPv6 its /64, as one machine may hold it.

    An IPv4 address, and a text that is no address, is returned unchanged.
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
    """The client's address, as reported by the proxy in front of this server.

    Args:
        values: Values of X-Forwarded-For in order. A client may send any; the last address is the
            one that the proxy itself added.
        peer: The proxy's address, which is returned when the header has no client address.
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
