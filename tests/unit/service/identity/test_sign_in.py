"""Logins: refresh tokens that change, devices that others approve, and what ends them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from towpath_auth.credentials import Peppers, new_api_key, parse_api_key
from towpath_service.core.errors import ServiceError
from towpath_service.identity.application import sign_in
from towpath_service.identity.storage.tables import waiting_device

from tests.budgets import examples
from tests.in_process.place import Place, open_place

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

EXCHANGE = "AuthService/ExchangeToken"


async def begun(place: Place, name: str = "laptop") -> Any:
    return await place.call(None, "AuthService/StartDeviceSignIn", client_name=name)


async def signed_in(place: Place, token: str = "") -> Any:
    """A login on a device, approved by the owner or by whoever's token is given."""
    device = await begun(place)
    approval = {"user_code": device.user_code}
    await place.call(token or place.owner, "AuthService/ApproveDeviceSignIn", **approval)
    return await place.call(None, EXCHANGE, device_code=device.device_code)


async def devices(place: Place) -> int:
    """How many devices are kept."""

    def work(installation: Any) -> int:
        counted = select(func.count()).select_from(waiting_device)
        return int(installation.transaction.connection.execute(counted).scalar_one())

    return await place.service.stores.identity.installation(work)


async def reason(place: Place, token: str | None, method: str, **fields: Any) -> str:
    try:
        await place.call(token, method, **fields)
    except ServiceError as error:
        return error.reason
    return ""


async def refreshed(place: Place, token: str) -> Any:
    return await place.call(None, EXCHANGE, refresh_token=token)


class Later:
    """The clock of the place, put forward."""

    def __init__(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        self._clock = place.authority._clock
        self._now_us = self._clock.now_us
        self._monkeypatch = monkeypatch

    def by(self, seconds: float) -> None:
        ahead = int(seconds * 1_000_000)
        self._monkeypatch.setattr(
            type(self._clock), "now_us", lambda _: self._now_us() + ahead, raising=True
        )


@pytest.fixture
def later(small: Place, monkeypatch: pytest.MonkeyPatch) -> Later:
    return Later(small, monkeypatch)


async def test_a_device_is_signed_in_as_whoever_approves_it(small: Place) -> None:
    device = await begun(small, "towpath on build-7")
    assert await reason(small, None, EXCHANGE, device_code=device.device_code) == "SIGN_IN_PENDING"
    told = await small.call(
        small.owner, "AuthService/GetDeviceSignIn", user_code=device.user_code.lower()
    )
    assert (told.client_name, told.client_address) == ("towpath on build-7", "192.0.2.7")
    name, key = await small.user("developer")
    await small.call(
        await small.token(key), "AuthService/ApproveDeviceSignIn", user_code=device.user_code
    )
    answer = await small.call(None, EXCHANGE, device_code=device.device_code)
    assert answer.refresh_token.startswith("twpr_")
    who = await small.call(answer.access_token, "AuthService/GetCaller")
    assert who.actor.principal == name
    assert who.credential_id == answer.refresh_token.split("_")[1]
    again = await reason(small, None, EXCHANGE, device_code=device.device_code)
    assert again == "CREDENTIAL_INVALID"
    code = {"user_code": device.user_code}
    ended = await reason(small, small.owner, "AuthService/ApproveDeviceSignIn", **code)
    assert ended == "RESOURCE_NOT_FOUND"


async def test_a_refresh_token_is_used_up_and_reuse_ends_the_login(
    small: Place, later: Later
) -> None:
    first = await signed_in(small)
    second = await refreshed(small, first.refresh_token)
    third = await refreshed(small, second.refresh_token)
    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3
    assert third.sign_in_expire_time == first.sign_in_expire_time
    later.by(sign_in.GRACE_SECONDS + 1)
    used_up = await reason(small, None, EXCHANGE, refresh_token=second.refresh_token)
    assert used_up == "CREDENTIAL_REVOKED"
    rest = await reason(small, None, EXCHANGE, refresh_token=third.refresh_token)
    assert rest == "CREDENTIAL_REVOKED"
    assert await reason(small, third.access_token, "AuthService/GetCaller") == "CREDENTIAL_REVOKED"
    entries = await small.call(small.owner, "AccessService/ListAuditEntries")
    assert "auth.refresh_reused" in [entry.action for entry in entries.audit_entries]


async def test_reuse_is_seen_however_often_a_thief_has_gone_on(small: Place) -> None:
    login = await signed_in(small)
    taken = login.refresh_token
    for _ in range(sign_in.KEPT_TOKENS + 1):
        taken = (await refreshed(small, taken)).refresh_token
    reused = await reason(small, None, EXCHANGE, refresh_token=login.refresh_token)
    assert reused == "CREDENTIAL_REVOKED"
    assert await reason(small, None, EXCHANGE, refresh_token=taken) == "CREDENTIAL_REVOKED"
    entries = await small.call(small.owner, "AccessService/ListAuditEntries")
    assert entries.audit_entries[0].action == "auth.refresh_reused"


async def test_nobody_ends_a_login_by_a_token_that_was_made_up(small: Place) -> None:
    login = await signed_in(small)
    made_up = new_api_key("refresh", login.refresh_token.split("_")[1]).text
    refused = await reason(small, None, EXCHANGE, refresh_token=made_up)
    assert refused == "CREDENTIAL_INVALID"
    assert (await refreshed(small, login.refresh_token)).access_token


async def test_a_login_of_an_earlier_version_goes_on_with_tokens_that_are_recognised(
    small: Place, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(Peppers, "new_refresh_token", lambda _, id_: new_api_key("refresh", id_))
        first = await signed_in(small)
        second = await refreshed(small, first.refresh_token)
    third = await refreshed(small, second.refresh_token)
    later.by(sign_in.GRACE_SECONDS + 1)
    fourth = await refreshed(small, third.refresh_token)
    peppers = small.authority.ring.peppers
    assert peppers.has_made(parse_api_key(third.refresh_token))
    used_up = await reason(small, None, EXCHANGE, refresh_token=first.refresh_token)
    assert used_up == "CREDENTIAL_REVOKED"
    rest = await reason(small, None, EXCHANGE, refresh_token=fourth.refresh_token)
    assert rest == "CREDENTIAL_REVOKED"


async def test_an_answer_that_was_lost_ends_no_login(small: Place) -> None:
    first = await signed_in(small)
    await refreshed(small, first.refresh_token)
    again = await refreshed(small, first.refresh_token)
    assert (await refreshed(small, again.refresh_token)).access_token


async def test_two_at_once_with_one_refresh_token_both_go_on(small: Place) -> None:
    first = await signed_in(small)
    answers = await asyncio.gather(*(refreshed(small, first.refresh_token) for _ in range(4)))
    assert len({answer.refresh_token for answer in answers}) == 4
    for answer in answers:
        assert (await refreshed(small, answer.refresh_token)).access_token


async def test_a_login_ends_when_its_user_signs_out(small: Place) -> None:
    answer = await signed_in(small)
    await small.call(answer.access_token, "AuthService/SignOut")
    refused = await reason(small, answer.access_token, "AuthService/GetCaller")
    assert refused == "CREDENTIAL_REVOKED"
    again = await reason(small, None, EXCHANGE, refresh_token=answer.refresh_token)
    assert again == "CREDENTIAL_REVOKED"
    assert await reason(small, small.owner, "AuthService/SignOut") == "RESOURCE_NOT_FOUND"
    entries = await small.call(small.owner, "AccessService/ListAuditEntries")
    told = [entry.action for entry in entries.audit_entries]
    assert told[:3] == ["auth.logout", "auth.logout", "auth.login"]


async def test_a_login_ends_after_thirty_days(small: Place, later: Later) -> None:
    answer = await signed_in(small)
    later.by(sign_in.SIGN_IN_SECONDS - 60)
    following = await refreshed(small, answer.refresh_token)
    assert following.expires_in.seconds <= 60
    later.by(sign_in.SIGN_IN_SECONDS + 1)
    ended = await reason(small, None, EXCHANGE, refresh_token=following.refresh_token)
    assert ended == "CREDENTIAL_REVOKED"


async def test_a_login_can_do_no_more_than_what_approved_it(small: Place) -> None:
    limits = {"permissions": ["key.own", "run.read"], "workspaces": ["workspaces/default"]}
    made = await small.call(small.owner, "AccessService/CreateApiKey", limits=limits)
    narrow = await small.token(made.key, "key.own")
    answer = await signed_in(small, narrow)
    who = await small.call(answer.access_token, "AuthService/GetCaller")
    assert (list(who.tenant_permissions), list(who.workspace_grants)) == (["key.own"], [])


async def test_a_program_approves_no_device(small: Place) -> None:
    _, key = await small.account("admin")
    device = await begun(small)
    asked = {"user_code": device.user_code}
    for method in ("GetDeviceSignIn", "ApproveDeviceSignIn"):
        refused = await reason(small, await small.token(key), f"AuthService/{method}", **asked)
        assert refused == "PERMISSION_MISSING"


async def test_a_device_waits_ten_minutes_and_may_not_ask_all_the_time(
    small: Place, later: Later
) -> None:
    device = await begun(small)
    assert await reason(small, None, EXCHANGE, device_code=device.device_code) == "SIGN_IN_PENDING"
    assert await reason(small, None, EXCHANGE, device_code=device.device_code) == "QUOTA_EXCEEDED"
    later.by(601)
    assert await reason(small, None, EXCHANGE, device_code=device.device_code) == "SIGN_IN_EXPIRED"
    late = {"user_code": device.user_code}
    found = await reason(small, small.owner, "AuthService/ApproveDeviceSignIn", **late)
    assert found == "RESOURCE_NOT_FOUND"


@pytest.mark.parametrize("sign", ["\x1b", "\r", "\x9b", "\N{RIGHT-TO-LEFT OVERRIDE}"])
async def test_a_device_has_a_name_that_shows_nothing_but_itself(small: Place, sign: str) -> None:
    asked = {"client_name": f"towpath on {sign}[2Kada-laptop"}
    assert await reason(small, None, "AuthService/StartDeviceSignIn", **asked) == "INVALID_REQUEST"
    assert (
        await begun(small, "towpath on J\N{LATIN SMALL LETTER O WITH DIAERESIS}rg's 2")
    ).user_code


async def test_few_devices_wait_from_one_address(small: Place, later: Later) -> None:
    for _ in range(10):
        await begun(small)
    refused = await reason(small, None, "AuthService/StartDeviceSignIn")
    assert refused == "QUOTA_EXCEEDED"
    later.by(601)
    assert (await begun(small)).user_code


async def test_devices_that_ended_are_removed_once_a_minute(small: Place, later: Later) -> None:
    await begun(small)
    later.by(601)
    await begun(small)
    assert await devices(small) == 1
    later.by(1203)
    await begun(small)
    assert await devices(small) == 1


async def test_wrong_user_codes_are_counted(small: Place) -> None:
    wrong = {"user_code": "BCDF-GHJK"}
    found = [
        await reason(small, small.owner, "AuthService/GetDeviceSignIn", **wrong) for _ in range(21)
    ]
    assert found == ["RESOURCE_NOT_FOUND"] * 20 + ["QUOTA_EXCEEDED"]


async def test_a_refresh_token_is_no_api_key_nor_the_other_way_round(small: Place) -> None:
    answer = await signed_in(small)
    wrong = (
        {"api_key": answer.refresh_token},
        {"refresh_token": small.owner_key},
        {"device_code": answer.refresh_token},
        {"refresh_token": answer.refresh_token[:-1] + "-"},
        {"refresh_token": answer.access_token[:200]},
        {"device_code": "twpd_"},
    )
    for fields in wrong:
        assert await reason(small, None, EXCHANGE, **fields) == "CREDENTIAL_INVALID", fields
    held = {"refresh_token": answer.refresh_token, "tenant": "main"}
    assert await reason(small, None, EXCHANGE, **held) == "INVALID_REQUEST"
    assert (await refreshed(small, answer.refresh_token)).access_token
    name = answer.refresh_token.split("_")[1]
    rotated = await reason(small, small.owner, "AccessService/RotateApiKey", name=name)
    assert rotated == "RESOURCE_NOT_FOUND"
    listed = await small.call(small.owner, "AccessService/ListApiKeys")
    assert {key.kind for key in listed.api_keys} == {1, 2}
    await small.call(small.owner, "AccessService/RevokeApiKey", name=name)
    refused = await reason(small, answer.access_token, "AuthService/GetCaller")
    assert refused == "CREDENTIAL_REVOKED"


_uses = st.lists(st.sampled_from(["latest", "before", "older", "wait"]), max_size=12)


@settings(
    max_examples=examples(25),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(uses=_uses)
def test_only_who_holds_the_latest_token_goes_on(tmp_path_factory: Any, uses: list[str]) -> None:
    """The latest refresh token works; one that was used for a while; any other ends the login."""
    folder: Path = tmp_path_factory.mktemp("login")
    asyncio.run(_use(folder / "towpath.db", uses))


async def _use(database: Path, uses: list[str]) -> None:
    async for place in _placed(database):
        with pytest.MonkeyPatch.context() as monkeypatch:
            later, waited, ended = Later(place, monkeypatch), 0.0, False
            answer = await signed_in(place)
            tokens, used_at = [answer.refresh_token], {}
            for use in uses:
                if use == "wait":
                    waited += sign_in.GRACE_SECONDS + 5
                    later.by(waited)
                    continue
                depth = {"latest": 1, "before": 2, "older": 3}[use]
                if len(tokens) < depth:
                    continue
                given_ = tokens[-depth]
                good = waited - used_at.get(given_, waited) < sign_in.GRACE_SECONDS
                refused = ""
                try:
                    answer = await refreshed(place, given_)
                except ServiceError as error:
                    refused = error.reason
                ended = ended or not good
                assert refused == ("CREDENTIAL_REVOKED" if ended else "")
                if not ended:
                    used_at.setdefault(tokens[-1], waited)
                    tokens.append(answer.refresh_token)


async def _placed(database: Path) -> AsyncGenerator[Place]:
    async with open_place(database) as place:
        yield place
