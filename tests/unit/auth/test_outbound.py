"""A tenant's URL leads to the public internet, and to nothing around the server."""

from __future__ import annotations

import pytest
from towpath_auth._outbound import checked_address, resolve
from towpath_auth.foreign import AddressBlocked

PUBLIC = ["93.184.215.14", "8.8.8.8", "2606:4700::1111"]
SITE = ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "fd12::1"]
LOOPBACK = ["127.0.0.1", "127.8.8.8", "::1"]
NEVER = [
    "169.254.169.254",
    "169.254.0.1",
    "fd00:ec2::254",
    "100.100.100.200",
    "168.63.129.16",
    "0.0.0.0",
    "0.1.2.3",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "192.0.2.1",
    "198.18.0.1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:8.8.8.8",
    "::127.0.0.1",
    "2002:7f00:1::",
    "2002:a00:1::",
    "2001:0:a00:1::",
    "64:ff9b::7f00:1",
    "64:ff9b:1::a00:1",
    "0x7f.1",
    "2130706433",
    "localhost",
]


def checked(*addresses: str, private: bool = False, loopback: bool = False) -> str:
    return checked_address(
        "name.example",
        443,
        resolver=lambda _host, _port: addresses,
        allow_private=private,
        allow_loopback=loopback,
    )


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_pinned(address: str):
    assert checked(address) == address


@pytest.mark.parametrize("address", [*SITE, *LOOPBACK, *NEVER])
def test_another_address_is_blocked(address: str):
    with pytest.raises(AddressBlocked, match="all public"):
        checked(address)


@pytest.mark.parametrize("address", [*SITE, *LOOPBACK, *NEVER])
def test_one_blocked_address_blocks_the_name(address: str):
    with pytest.raises(AddressBlocked):
        checked(PUBLIC[0], address)


@pytest.mark.parametrize("address", NEVER)
def test_nothing_allows_these(address: str):
    with pytest.raises(AddressBlocked):
        checked(address, private=True, loopback=True)


@pytest.mark.parametrize("address", SITE)
def test_addresses_of_the_site_are_for_those_who_host_themselves(address: str):
    assert checked(address, private=True) == address
    with pytest.raises(AddressBlocked):
        checked(address, loopback=True)


@pytest.mark.parametrize("address", LOOPBACK)
def test_this_machine_is_allowed_apart(address: str):
    assert checked(address, loopback=True) == address
    with pytest.raises(AddressBlocked):
        checked(address, private=True)


def test_a_name_without_an_address_is_blocked():
    with pytest.raises(AddressBlocked, match="no address"):
        checked()


@pytest.mark.parametrize("host", ["127.0.0.1", "0x7f.1", "2130706433", "localhost"])
def test_every_spelling_of_this_machine_is_blocked(host: str):
    with pytest.raises(AddressBlocked):
        checked_address(host, 443)


def test_the_name_is_resolved_once():
    asked: list[tuple[str, int]] = []

    def resolver(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return [PUBLIC[0]]

    assert checked_address("name.example", 8443, resolver=resolver) == PUBLIC[0]
    assert asked == [("name.example", 8443)]


def test_the_system_knows_addresses():
    assert resolve("127.0.0.1", 443) == ["127.0.0.1"]
