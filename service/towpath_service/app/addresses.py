"""Addresses that servers listen on, and the check for loopback ones."""

from __future__ import annotations

from ipaddress import ip_address


def seen_from_here(host: str) -> str:
    """The address by which processes of this machine reach a server that listens on a host."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    # `is_unspecified` is true of a mapped 0.0.0.0, too, in some versions of Python.
    if int(address):
        return host
    return "127.0.0.1" if address.version == 4 else "::1"  # noqa: PLR2004 - IP's


def is_loopback(host: str) -> bool:
    """Whether a host is a loopback address or name."""
    if host == "localhost":
        return True
    try:
        found = ip_address(host)
    except ValueError:
        return False
    # Before Python 3.13, a mapped address doesn't have the properties of the one that it carries.
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback
