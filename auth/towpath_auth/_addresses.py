"""Which addresses are loopback ones, with the same answer on every Python."""

from __future__ import annotations

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_loopback(address: Address) -> bool:
    """Whether an address is a loopback one; an IPv6 address that carries one is not."""
    # From Python 3.13 on, a mapped address has the properties of the one that it carries.
    return address.is_loopback and getattr(address, "ipv4_mapped", None) is None
