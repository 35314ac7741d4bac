"""What strangers may ask, and that they stand in nobody's way who shares their address."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from towpath_auth.credentials import new_api_key
from towpath_service.application import strangers as counted
from towpath_service.application.strangers import FAILURES_A_MINUTE, Strangers
from towpath_service.domain.errors import ServiceError, not_found

from tests.unit.identity.place import ADDRESS, WANTED, Place, open_place
from tests.unit.identity.test_limits import Clock

if TYPE_CHECKING:
    from pathlib import Path

EXCHANGE = "AuthService/ExchangeToken"
WRONG = ServiceError(reason="CREDENTIAL_INVALID", message="wrong")


async def proved(strangers: Strangers, address: str, error: ServiceError | None = WRONG) -> str:
    try:
        async with strangers.proving(address):
            if error is not None:
                raise error
    except ServiceError as refusal:
        return refusal.reason
    return ""


async def test_wrong_credentials_are_slowed_down_and_right_ones_pass() -> None:
    clock = Clock()
    strangers = Strangers(clock)
    found = [await proved(strangers, ADDRESS) for _ in range(30)]
    assert found == ["CREDENTIAL_INVALID"] * 20 + ["QUOTA_EXCEEDED"] * 10
    assert await proved(strangers, ADDRESS, None) == ""
    revoked = ServiceError(reason="CREDENTIAL_REVOKED", message="was right once")
    assert await proved(strangers, ADDRESS, revoked) == "CREDENTIAL_REVOKED"
    # Those that were refused don't make it longer.
    clock.now += 60 / FAILURES_A_MINUTE
    assert await proved(strangers, ADDRESS) == "CREDENTIAL_INVALID"


async def test_an_ipv6_site_is_counted_as_one() -> None:
    strangers = Strangers(Clock())
    found = [await proved(strangers, f"2001:db8::{number:x}") for number in range(21)]
    assert found[-1] == "QUOTA_EXCEEDED"
    assert await proved(strangers, "2001:db8:0:1::1") == "CREDENTIAL_INVALID"


async def test_where_much_is_wrong_one_credential_at_a_time_is_looked_at() -> None:
    strangers = Strangers(Clock())
    for _ in range(21):
        await proved(strangers, ADDRESS)
    at_once = most = 0

    async def look(address: str) -> None:
        nonlocal at_once, most
        async with strangers.proving(address):
            at_once += 1
            most = max(most, at_once)
            await asyncio.sleep(0)
            at_once -= 1

    await asyncio.gather(*(look(ADDRESS) for _ in range(5)))
    assert most == 1
    await asyncio.gather(*(look("198.51.100.1") for _ in range(5)))
    assert most == 5


def test_codes_that_can_be_guessed_are_not_looked_at_any_more() -> None:
    strangers = Strangers(Clock())
    for _ in range(20):
        with pytest.raises(ServiceError), strangers.guessing(ADDRESS):
            raise not_found("a login")
    looked = False
    with pytest.raises(ServiceError) as raised, strangers.guessing(ADDRESS):
        looked = True
    assert raised.value.reason == "QUOTA_EXCEEDED"
    assert not looked


async def test_addresses_that_are_idle_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counted, "MOST_ADDRESSES", 10)
    clock = Clock()
    strangers = Strangers(clock)
    for number in range(50):
        await proved(strangers, f"192.0.2.{number}")
        clock.now += 100
    assert len(strangers._failures) <= 11


async def test_a_stranger_locks_nobody_out_who_shares_the_address(small: Place) -> None:
    device = await small.call(None, "AuthService/StartDeviceSignIn")
    await small.call(small.owner, "AuthService/ApproveDeviceSignIn", user_code=device.user_code)
    for _ in range(30):
        await small.refusal(None, EXCHANGE, api_key=new_api_key("user").text)
    last = await small.refusal(None, EXCHANGE, api_key=new_api_key("user").text)
    assert (last.reason, last.metadata["quota"]) == (
        "QUOTA_EXCEEDED",
        "failed_credentials_per_minute",
    )
    assert last.retry_after_seconds is not None
    assert await small.token(small.owner_key)
    signed_in = await small.call(None, EXCHANGE, device_code=device.device_code)
    again = await small.call(None, EXCHANGE, refresh_token=signed_in.refresh_token)
    assert again.access_token


@pytest.mark.parametrize(("proxy", "address"), [(True, "198.51.100.9"), (False, "192.0.2.7")])
async def test_only_behind_a_proxy_is_it_believed_where_calls_come_from(
    tmp_path: Path, proxy: bool, address: str
) -> None:
    wanted = replace(WANTED, behind_proxy=proxy)
    async with open_place(tmp_path / "towpath.db", wanted) as place:
        method = "AccessService/CreateWorkspace"
        metadata = {
            ":peer": [ADDRESS],
            "authorization": [f"Bearer {place.owner}"],
            "x-forwarded-for": ["203.0.113.1, 198.51.100.9"],
        }
        request = place.request(method, workspace_id="team-a")
        await place.service.dispatcher.unary(place.endpoint(method), request, metadata)
        listed: Any = await place.call(place.owner, "AccessService/ListAuditEntries")
        [entry] = [item for item in listed.audit_entries if item.action == "workspace.create"]
        assert entry.client_address == address
