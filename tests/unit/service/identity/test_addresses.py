from __future__ import annotations

import pytest
from towpath_service.identity.domain.addresses import forwarded_for, network_of


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("nowhere", "nowhere"),
    ],
)
def test_an_ipv6_address_is_counted_by_what_its_holder_cant_choose(
    address: str, counted: str
) -> None:
    assert network_of(address) == counted


@pytest.mark.parametrize(
    ("values", "client"),
    [
        (["192.0.2.7"], "192.0.2.7"),
        (["203.0.113.1, 192.0.2.7"], "192.0.2.7"),
        (["203.0.113.1", "203.0.113.2,192.0.2.7 "], "192.0.2.7"),
        (["2001:db8::7"], "2001:db8::7"),
        (["192.0.2.7:4711"], "192.0.2.7"),
        (["[2001:db8::7]:4711"], "2001:db8::7"),
        ([], "10.0.0.1"),
        ([""], "10.0.0.1"),
        (["192.0.2.7, unknown"], "10.0.0.1"),
        (["192.0.2.7, " + "x" * 5000], "10.0.0.1"),
    ],
)
def test_the_client_is_who_the_proxy_named_last(values: list[str], client: str) -> None:
    assert forwarded_for(values, "10.0.0.1") == client
