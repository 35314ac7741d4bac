"""What a tenant is told of exchanges of its keys that were refused."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from towpath_auth import _api_keys
from towpath_service.core.errors import ServiceError
from towpath_service.identity.application.refused_exchanges import (
    ACTION,
    MINUTE_SECONDS,
    MOST_ADDRESSES,
    Denied,
    RefusedExchanges,
)

from tests.in_process.place import ADDRESS

if TYPE_CHECKING:
    from towpath_service.identity.application.audit import Draft

    from tests.in_process.place import Place

EXCHANGE = "AuthService/ExchangeToken"
DEFAULT_TENANT = "00000000-0000-7000-8000-000000000001"
DENIED = Denied(
    tenant_id="t",
    key_id="k",
    resource="users/a@b.test/apiKeys/k",
    actor="",
    reason="CREDENTIAL_INVALID",
    address="192.0.2.1",
)


class Trail:
    """An audit log in memory."""

    def __init__(self) -> None:
        self.entries: list[Any] = []
        self.broken = False

    async def write(self, draft: Draft, *, outcome: str, reason: str) -> None:
        await asyncio.sleep(0)
        if self.broken:
            raise ServiceError(reason="OVERLOADED", message="not now")
        self.entries.append(replace(draft.record, outcome=outcome, reason=reason))

    @property
    def times(self) -> int:
        return sum(json.loads(entry.request)["times"] for entry in self.entries)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def made() -> tuple[RefusedExchanges, Any, Clock]:
    trail: Any = Trail()
    clock = Clock()
    return RefusedExchanges(trail, clock), trail, clock


def guessed(key: str) -> str:
    """A key of the same public id that is well made, and not the one."""
    body = f"{key[: key.rindex('_')]}_{'0' * 43}"
    return body + _api_keys._checksum(body)


async def denied(place: Place, token: str = "") -> list[Any]:
    answer = await place.call(
        token or place.owner, "AccessService/ListAuditEntries", page_size=1000
    )
    return [entry for entry in reversed(answer.audit_entries) if entry.action == ACTION]


def told(entry: Any) -> tuple[str, str, str, int]:
    return entry.actor, entry.outcome, entry.reason, json.loads(entry.request_json)["times"]


async def exchange(place: Place, key: str) -> str:
    return (await place.refusal(None, EXCHANGE, api_key=key)).reason


async def test_a_wrong_secret_is_told_to_the_tenant_whose_key_it_names(place: Place) -> None:
    wrong = guessed(place.owner_key)
    assert await exchange(place, wrong) == "CREDENTIAL_INVALID"
    (entry,) = await denied(place)
    assert told(entry) == ("", "UNAUTHENTICATED", "CREDENTIAL_INVALID", 1)
    key_id = place.owner_key.split("_")[1]
    assert (entry.credential_id, entry.client_address) == (key_id, ADDRESS)
    assert entry.resource == f"users/owner@example.org/apiKeys/{key_id}"
    assert entry.method == f"towpath.api.v1.{EXCHANGE}"
    for key in (wrong, place.owner_key):
        assert key.split("_")[2] not in str(entry)


async def test_a_key_that_no_longer_holds_is_told_with_why(place: Place) -> None:
    name, revoked = await place.account("runner")
    _, expired = await place.account("runner")
    key_id = revoked.split("_")[1]
    await place.call(place.owner, "AccessService/RevokeApiKey", name=f"{name}/apiKeys/{key_id}")
    store = place.service.stores.identity
    await store.tenant(
        DEFAULT_TENANT, lambda identity: identity.keys.change(expired.split("_")[1], expires_us=1)
    )
    for key in (revoked, expired):
        # Who sends it is not told which of the two.
        assert await exchange(place, key) == "CREDENTIAL_REVOKED"
    entries = await denied(place)
    assert [entry.reason for entry in entries] == ["CREDENTIAL_REVOKED", "CREDENTIAL_EXPIRED"]
    assert entries[0].actor == name


async def test_a_suspended_tenant_finds_it_in_its_own_log_alone(place: Place) -> None:
    made = await place.call(
        place.owner, "TenantService/CreateTenant", tenant_id="acme", owner_email="eve@acme.test"
    )
    await place.call(place.owner, "TenantService/SuspendTenant", name="tenants/acme")
    assert await exchange(place, made.owner_api_key) == "TENANT_SUSPENDED"
    await place.call(place.owner, "TenantService/ResumeTenant", name="tenants/acme")
    (entry,) = await denied(place, await place.token(made.owner_api_key))
    assert told(entry) == ("users/eve@acme.test", "PERMISSION_DENIED", "TENANT_SUSPENDED", 1)
    assert await denied(place) == []


async def test_a_key_that_nobody_has_is_in_no_log(
    small: Place, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "towpath_service")
    stranger = _api_keys.new_api_key("user")
    assert await exchange(small, stranger.text) == "CREDENTIAL_INVALID"
    assert await denied(small) == []
    assert ADDRESS in caplog.text
    assert stranger.text.split("_")[2] not in caplog.text


async def test_a_flood_is_one_entry_and_its_count(place: Place) -> None:
    wrong = guessed(place.owner_key)
    await asyncio.gather(*(exchange(place, wrong) for _ in range(15)))
    assert len(await denied(place)) == 1
    assert place.service.refused_exchanges is not None
    await place.service.refused_exchanges.settle(all_=True)
    assert [told(entry)[3] for entry in await denied(place)] == [1, 14]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b"]),
            st.sampled_from([f"192.0.2.{n}" for n in range(30)]),
            st.integers(min_value=0, max_value=40),
            st.booleans(),
        ),
        max_size=80,
    )
)
def test_all_are_counted_and_of_each_key_and_address_there_is_one_a_minute(
    sent: list[tuple[str, str, int, bool]],
) -> None:
    refused_exchanges, trail, clock = made()
    written: dict[tuple[str, str], list[float]] = {}

    def see() -> None:
        for entry in trail.entries[sum(map(len, written.values())) :]:
            written.setdefault((entry.credential_id, entry.address), []).append(clock.now)

    async def play() -> None:
        for key_id, address, pause, looking in sent:
            await refused_exchanges.note(replace(DENIED, key_id=key_id, address=address))
            see()
            clock.now += pause
            if looking:
                await refused_exchanges.settle()
                see()
        clock.now += MINUTE_SECONDS
        await refused_exchanges.settle()
        see()

    asyncio.run(play())
    assert trail.times == len(sent)
    for times in written.values():
        assert all(b - a >= MINUTE_SECONDS for a, b in pairwise(times))
    keys = Counter(key_id for key_id, _ in written)
    assert all(count <= MOST_ADDRESSES + 1 for count in keys.values())


async def test_nothing_is_kept_of_minutes_that_are_over() -> None:
    refused_exchanges, _, clock = made()
    await refused_exchanges.note(DENIED)
    clock.now += MINUTE_SECONDS
    await refused_exchanges.settle()
    assert refused_exchanges._minutes == {}


async def test_what_could_not_be_written_is_written_later() -> None:
    refused_exchanges, trail, clock = made()
    trail.broken = True
    with pytest.raises(ServiceError):
        await refused_exchanges.note(DENIED)
    trail.broken = False
    clock.now += 1
    await refused_exchanges.settle()
    assert trail.times == 1


async def test_a_proven_key_is_not_hidden_behind_guesses_after_it() -> None:
    refused_exchanges, trail, _ = made()
    for reason, actor in (("INVALID", ""), ("REVOKED", "users/a@b.test"), ("INVALID", "")):
        await refused_exchanges.note(replace(DENIED, reason=f"CREDENTIAL_{reason}", actor=actor))
    await refused_exchanges.settle(all_=True)
    last = trail.entries[-1]
    assert (last.reason, last.actor) == ("CREDENTIAL_REVOKED", "users/a@b.test")
    assert json.loads(last.request)["reasons"] == {
        "CREDENTIAL_INVALID": 1,
        "CREDENTIAL_REVOKED": 1,
    }


async def test_what_is_counted_is_written_at_the_end() -> None:
    refused_exchanges, trail, _ = made()
    running = asyncio.create_task(refused_exchanges.run())
    await asyncio.sleep(0)
    for _ in range(3):
        await refused_exchanges.note(DENIED)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert [json.loads(entry.request)["times"] for entry in trail.entries] == [1, 2]
