"""Checks which addresses a URL of a tenant leads to: only public ones may be called.

A name is resolved once, and the connection is made to the address that was checked. So a name that
resolves to another address a moment later leads nowhere else.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING, Final

from towpath_auth._addresses import Address, is_loopback
from towpath_auth._errors import AddressBlocked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Resolver = Callable[[str, int], Sequence[str]]

_METADATA: Final = frozenset(
    ipaddress.ip_address(each)
    for each in ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16")
)
_SITE: Final = tuple(
    ipaddress.ip_network(each)
    for each in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)
_GLOBAL_IPV6: Final = ipaddress.IPv6Network("2000::/3")
_CARRIES_IPV4: Final = tuple(
    ipaddress.IPv6Network(each)
    for each in (
        "::/96",
        "::ffff:0:0/96",
        "2002::/16",
        "2001::/32",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
    )
)


def resolve(host: str, port: int) -> Sequence[str]:
    """Finds the addresses of a name by the system's resolver.

    Args:
        host: The name, or an address.
        port: The port of the connection.

    Raises:
        OSError: The name has no address.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def checked_address(
    host: str,
    port: int,
    *,
    resolver: Resolver = resolve,
    allow_private: bool = False,
    allow_loopback: bool = False,
) -> str:
    """Resolves a host, and checks every address of it.

    Args:
        host: A name or an address.
        port: The port of the connection.
        resolver: Finds the addresses; it is called once.
        allow_private: Whether private addresses are allowed; metadata services never are.
        allow_loopback: Whether addresses of this machine are allowed.

    Returns:
        The address to connect to.

    Raises:
        AddressBlocked: The name has no address, or an address that isn't allowed.
        OSError: The name can't be resolved.
    """
    found = resolver(host, port)
    if not found:
        raise AddressBlocked(f"Correct the host {host!r}: it has no address.")
    for each in found:
        if not _allowed(each, allow_private=allow_private, allow_loopback=allow_loopback):
            raise AddressBlocked(
                f"Use a host whose addresses are all public: {host!r} leads to one that is not."
            )
    return found[0]


def _allowed(text: str, *, allow_private: bool, allow_loopback: bool) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if address in _METADATA:
        return False
    if is_loopback(address):
        return allow_loopback
    if any(address.version == site.version and address in site for site in _SITE):
        return allow_private
    return _public(address)


def _public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and (
        address not in _GLOBAL_IPV6 or any(address in each for each in _CARRIES_IPV4)
    ):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved
