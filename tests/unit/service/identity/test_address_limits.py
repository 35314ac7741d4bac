"""What strangers may ask, and that they stand in nobody's way who shares their address."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from towpath_auth.credentials import new_api_key
from towpath_service.core.errors import ServiceError, not_found
from towpath_service.identity.application import address_limits as counted
from towpath_service.identity.application.address_limits import FAILURES_A_MINUTE, AddressLimits

from tests.contract.identity.test_limits import Clock
from tests.in_process.place import ADDRESS, OPTIONS, Place, open_place

if TYPE_CHECKING:
    from pathlib import Path

    from towpath_service.core.tenant_limits import TenantLimits

EXCHANGE = "AuthService/ExchangeToken"
WRONG = ServiceError(reason="CREDENTIAL_INVALID", message="wrong")


async def proved(
    address_limits: AddressLimits, address: str, error: ServiceError | None = WRONG
) -> str:
    try:
        async with address_limits.proving(address):
            if error is not None:
                raise error
    except ServiceError as refusal:
        return refusal.reason
    return ""


async def test_wrong_credentials_are_slowed_down_and_right_ones_pass() -> None:
    clock = Clock()
    address_limits = AddressLimits(clock)
    found = [await proved(address_limits, ADDRESS) for _ in range(30)]
    assert found == ["CREDENTIAL_INVALID"] * 20 + ["QUOTA_EXCEEDED"] * 10
    assert await proved(address_limits, ADDRESS, None) == ""
    revoked = ServiceError(reason="CREDENTIAL_REVOKED", message="was right once")
    assert await proved(address_limits, ADDRESS, revoked) == "CREDENTIAL_REVOKED"
    # Those that were refused don't make it longer.
    clock.now += 60 / FAILURES_A_MINUTE
    assert await proved(address_limits, ADDRESS) == "CREDENTIAL_INVALID"


async def test_an_ipv6_site_is_counted_as_one() -> None:
    address_limits = AddressLimits(Clock())
    found = [await proved(address_limits, f"2001:db8::{number:x}") for number in range(21)]
    assert found[-1] == "QUOTA_EXCEEDED"
    assert await proved(address_limits, "2001:db8:0:1::1") == "CREDENTIAL_INVALID"


async def test_where_much_is_wrong_one_credential_at_a_time_is_looked_at() -> None:
    address_limits = AddressLimits(Clock())
    for _ in range(21):
        await proved(address_limits, ADDRESS)
    at_once = most = 0

    async def look(address: str) -> None:
        nonlocal at_once, most
        async with address_limits.proving(address):
            at_once += 1
            most = max(most, at_once)
            await asyncio.sleep(0)
            at_once -= 1

    await asyncio.gather(*(look(ADDRESS) for _ in range(5)))
    assert most == 1
    await asyncio.gather(*(look("198.51.100.1") for _ in range(5)))
    assert most == 5


def test_codes_that_can_be_guessed_are_not_looked_at_any_more() -> None:
    address_limits = AddressLimits(Clock())
    for _ in range(20):
        with pytest.raises(ServiceError), address_limits.guessing(ADDRESS):
            raise not_found("a login")
    looked = False
    with pytest.raises(ServiceError) as raised, address_limits.guessing(ADDRESS):
        looked = True
    assert raised.value.reason == "QUOTA_EXCEEDED"
    assert not looked


@pytest.mark.parametrize("pause", [100, 0])
async def test_of_many_addresses_few_are_kept(
    monkeypatch: pytest.MonkeyPatch, pause: float
) -> None:
    monkeypatch.setattr(counted, "MOST_ADDRESSES", 10)
    clock = Clock()
    address_limits = AddressLimits(clock)
    for number in range(50):
        await proved(address_limits, f"192.0.2.{number}")
        address_limits.admit(f"192.0.2.{number}", "read")
        clock.now += pause
    assert len(address_limits._failures) <= 11
    assert len(address_limits._calls) <= 11
    # The last one is among them.
    found = [await proved(address_limits, "192.0.2.49") for _ in range(20)]
    assert (found[-1] == "QUOTA_EXCEEDED") == (pause == 0)


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
    options = replace(OPTIONS, behind_tls_proxy=proxy)
    async with open_place(tmp_path / "towpath.db", options) as place:
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


PUBLIC = (
    "AuthService/GetJwks",
    "AuthService/GetSignInOptions",
    "AuthService/StartDeviceSignIn",
    "ServerService/GetServerInfo",
)


async def refused(place: Place, token: str | None, method: str, **fields: Any) -> str:
    try:
        await place.call(token, method, **fields)
    except ServiceError as error:
        return error.metadata.get("quota", error.reason)
    return ""


async def test_what_anybody_may_call_has_an_allowance_of_each_address(
    small: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counted, "UNITS_A_SECOND", 0.001)
    monkeypatch.setattr(counted, "BURST_SECONDS", 5_500)
    assert await refused(small, None, "AuthService/StartDeviceSignIn") == ""
    assert await refused(small, "nonsense", "RunService/ListRuns") == "CREDENTIAL_INVALID"
    assert [await refused(small, None, method) for method in PUBLIC] == (
        ["public_calls_per_second"] * len(PUBLIC)
    )
    assert await refused(small, "nonsense", "RunService/ListRuns") == "public_calls_per_second"
    # Whoever proves who they are is held by none of it.
    token = await small.token(small.owner_key)
    assert await small.call(token, "AuthService/GetCaller")
    # Who has to renew a token is told so.
    now = int(time.time())
    expired = small.forged(small.owner, issued_at=now - 700, expires_at=now - 100)
    assert await refused(small, expired, "AuthService/GetCaller") == "CREDENTIAL_EXPIRED"


async def test_exchanges_are_charged_to_the_tenant_apart_from_its_calls(small: Place) -> None:
    device = await small.call(None, "AuthService/StartDeviceSignIn")
    code = {"user_code": device.user_code}
    await small.call(small.owner, "AuthService/ApproveDeviceSignIn", **code)
    signed_in = await small.call(None, EXCHANGE, device_code=device.device_code)
    other = await small.call(
        small.owner, "TenantService/CreateTenant", tenant_id="other", owner_email="o@other.test"
    )
    tenant_limits = admission_of(small)
    tenant_limits._uses.clear()
    tenant_limits._now = Clock()
    quotas = {"name": "tenants/main", "quotas": {"calls_per_second": 1}}
    await small.call(small.owner, "TenantService/SetTenantQuotas", **quotas)
    listing = {"parent": "workspaces/default"}
    for _ in range(2):
        await small.call(small.owner, "RunService/ListRuns", **listing)
    assert await refused(small, small.owner, "RunService/ListRuns", **listing) == "calls_per_second"
    # No calls of a tenant keep it from its tokens: two for a burst of 5 and what is owed after.
    own = {"api_key": small.owner_key}
    assert [await refused(small, None, EXCHANGE, **own) for _ in range(2)] == ["", ""]
    refresh = {"refresh_token": signed_in.refresh_token}
    for credential in (own, refresh):
        error = await small.refusal(None, EXCHANGE, **credential)
        assert (error.reason, error.metadata["quota"]) == ("QUOTA_EXCEEDED", "calls_per_second")
        assert error.retry_after_seconds is not None
    assert await small.token(other.owner_api_key)
    # What was refused is not used up by that: presented twice, a used token ends the login.
    tenant_limits._uses.clear()
    assert await refused(small, None, EXCHANGE, **refresh) == ""


def admission_of(place: Place) -> TenantLimits:
    dispatcher: Any = place.service.dispatcher
    found: TenantLimits = dispatcher._guard._tenant_limits
    return found
