"""What values of secrets are sealed with, and how that changes."""

from __future__ import annotations

import base64
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from click.testing import CliRunner
from sqlalchemy import text
from towpath_auth import LOCAL_TENANT_ID
from towpath_auth.envelope import LocalKey
from towpath_service.app.identity.bootstrap import enable_identity
from towpath_service.app.identity.key_rotation import reseal_keys, rotate_data_keys
from towpath_service.app.identity.sealing import EnvelopeSealer
from towpath_service.app.wiring import open_service
from towpath_service.cli.server import server
from towpath_service.core.clock import SystemClock
from towpath_service.core.errors import ServiceError
from towpath_service.database.postgres_url import PostgresUrl
from towpath_service.database.upkeep.maintenance import at_database
from towpath_service.values.application.data_keys import DataKeys
from towpath_service.values.domain import secrets as domain

from tests.contract.values.test_secrets import NAME, PARENT, VALUE, create, runner, update, value
from tests.in_process.place import OPTIONS, SEALING, Place, open_place, sealing_by

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from towpath_service.identity.ports.sealing import Sealing
    from towpath_service.values.ports.secrets import Secrets

DAY_US = 86_400_000_000


def new_sealing() -> Sealing:
    """A key-encryption key that nothing else has."""
    sealer = EnvelopeSealer([LocalKey(uuid4().bytes * 2)])
    return sealing_by(sealer)


async def rows(database: Any, statement: str, **values: Any) -> list[Any]:
    def work(connection: Any) -> list[Any]:
        found = connection.execute(text(statement), values)
        return list(found) if found.returns_rows else []

    return await at_database(database, work)


@asynccontextmanager
async def reopened(database: Any, sealing: Sealing, key: str) -> AsyncGenerator[Place]:
    async with open_service(database, identity=OPTIONS, sealing=sealing) as service:
        place = Place(service, key)
        place.owner = await place.token(key)
        yield place


async def with_secrets(database: Any, sealing: Sealing, number: int) -> tuple[str, str]:
    """An installation with secrets of two tenants: keys of an owner and a runner of the first."""
    made = await enable_identity(database, sealing, "owner@example.org")
    assert made is not None
    async with reopened(database, sealing, made.api_key) as place:
        _, other = await place.tenant("other")
        await create(place, other, value=b"theirs")
        for index in range(number):
            await create(place, place.owner, f"s-{index}", value=b"value-%d" % index)
        _, key = await place.account("runner")
        return made.api_key, key


async def check_all(database: Any, sealing: Sealing, keys: tuple[str, str], number: int) -> None:
    async with reopened(database, sealing, keys[0]) as place:
        token = await place.token(keys[1])
        for index in range(number):
            found, _ = await value(place, token, f"{PARENT}/secrets/s-{index}")
            assert found == b"value-%d" % index


async def test_all_opens_after_three_rotations_with_the_old_keys_gone(
    either: Path | PostgresUrl,
) -> None:
    first = old = new_sealing()
    keys = await with_secrets(either, old, 5)
    before = await rows(either, "SELECT sealed FROM secret ORDER BY secret_id")
    for _ in range(3):
        following = new_sealing()
        # Three of the service, one data key of each tenant; the values themselves aren't touched.
        assert await reseal_keys(either, old, following) == 5
        old = following
    assert await rows(either, "SELECT sealed FROM secret ORDER BY secret_id") == before
    await check_all(either, old, keys, 5)
    with pytest.raises(ServiceError) as raised:
        await rotate_data_keys(either, first, lambda _: None)
    assert raised.value.reason == "KEY_UNUSABLE"


async def test_all_opens_after_data_keys_have_changed_and_those_of_before_are_destroyed(
    either: Path | PostgresUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("towpath_service.values.application.data_keys.BATCH", 2)
    keys = await with_secrets(either, SEALING, 5)
    before = {row[0] for row in await rows(either, "SELECT key_id FROM data_key")}
    told: list[int] = []
    assert await rotate_data_keys(either, SEALING, told.append) == 6
    assert sorted(told) == told
    assert told[-1] == 6
    after = {row[0] for row in await rows(either, "SELECT key_id FROM data_key")}
    assert len(after) == 2
    assert not after & before
    used = await rows(either, "SELECT DISTINCT key_id, sealed FROM secret")
    assert {row[0] for row in used} == after
    assert not [row for row in used for key_id in before if key_id in row[1]]
    await check_all(either, SEALING, keys, 5)


async def test_a_change_of_data_keys_that_was_interrupted_is_run_again(
    either: Path | PostgresUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("towpath_service.values.application.data_keys.BATCH", 2)
    keys = await with_secrets(either, SEALING, 5)

    def interrupt(done: int) -> None:
        if done >= 3:
            raise KeyError(done)

    with pytest.raises(KeyError):
        await rotate_data_keys(either, SEALING, interrupt)
    await check_all(either, SEALING, keys, 5)
    assert await rotate_data_keys(either, SEALING, lambda _: None) == 6
    assert len(await rows(either, "SELECT key_id FROM data_key")) == 2
    await check_all(either, SEALING, keys, 5)


async def test_values_are_read_and_written_while_data_keys_change(
    either: Path | PostgresUrl,
) -> None:
    async with open_place(either) as place:
        await create(place, place.owner)
        token = await runner(place)
        assert await value(place, token) == (VALUE, 1)
        await rotate_data_keys(either, SEALING, lambda _: None)
        assert await value(place, token) == (VALUE, 1)
        await update(place, place.owner, value=b"other")
        await rotate_data_keys(either, SEALING, lambda _: None)
        assert await value(place, token) == (b"other", 2)


SWAPS = {
    "another tenant's": "UPDATE secret SET sealed = (SELECT sealed FROM secret WHERE"
    " tenant_id <> :tenant), key_id = (SELECT key_id FROM secret WHERE tenant_id <> :tenant)"
    " WHERE secret_id = 's-0' AND tenant_id = :tenant",
    "another tenant's, with its key": "UPDATE data_key SET sealed = (SELECT sealed FROM data_key"
    " WHERE tenant_id <> :tenant) WHERE tenant_id = :tenant",
    "another row's": "UPDATE secret SET sealed = (SELECT sealed FROM secret WHERE"
    " secret_id = 's-1') WHERE secret_id = 's-0'",
    "another version's": "UPDATE secret SET version = 2 WHERE secret_id = 's-0'",
    "another column's": "UPDATE secret SET sealed = (SELECT sealed FROM data_key WHERE"
    " tenant_id = :tenant) WHERE secret_id = 's-0'",
    "under another name": "UPDATE secret SET row_id = :other WHERE secret_id = 's-0'",
    "with a byte changed": "UPDATE secret SET sealed = substr(sealed, 1, length(sealed) - 6)"
    " || 'AAAAAA' WHERE secret_id = 's-0'",
    "cut short": "UPDATE secret SET sealed = substr(sealed, 1, 60) WHERE secret_id = 's-0'",
}


@pytest.mark.parametrize("swap", SWAPS)
async def test_what_is_swapped_in_the_database_doesnt_open(
    either: Path | PostgresUrl, swap: str, caplog: pytest.LogCaptureFixture
) -> None:
    keys = await with_secrets(either, SEALING, 2)
    known = {"tenant": LOCAL_TENANT_ID, "other": str(uuid4())}
    statement = SWAPS[swap]
    bound = {name: found for name, found in known.items() if f":{name}" in statement}
    if isinstance(either, PostgresUrl):
        for name in bound:
            statement = statement.replace(f":{name}", f"CAST(:{name} AS uuid)")
    await rows(either, statement, **bound)
    async with reopened(either, SEALING, keys[0]) as place:
        token = await place.token(keys[1])
        with pytest.raises(ServiceError) as raised:
            await value(place, token, f"{PARENT}/secrets/s-0")
    # Another tenant's key isn't even found.
    assert raised.value.reason in {"INTERNAL", "RESOURCE_NOT_FOUND"}
    assert "value-0" not in str(raised.value) + caplog.text


async def test_two_rows_that_swap_their_names_dont_open(either: Path | PostgresUrl) -> None:
    keys = await with_secrets(either, SEALING, 2)
    for now, was in (("tmp", "s-0"), ("s-0", "s-1"), ("s-1", "tmp")):
        await rows(either, f"UPDATE secret SET secret_id = '{now}' WHERE secret_id = '{was}'")
    async with reopened(either, SEALING, keys[0]) as place:
        token = await place.token(keys[1])
        for name in ("s-0", "s-1"):
            with pytest.raises(ServiceError):
                await value(place, token, f"{PARENT}/secrets/{name}")


def content_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def test_the_database_has_no_byte_of_a_value(tmp_path: Path) -> None:
    async with open_place(tmp_path / "towpath.db") as place:
        await create(place, place.owner)
        await update(place, place.owner, value=VALUE * 3)
        found = content_of(tmp_path)
    found += content_of(tmp_path)
    assert NAME.rpartition("/")[2].encode() in found
    shifted = [base64.b64encode(b"x" * shift + VALUE)[4:-4] for shift in range(3)]
    for spelling in (VALUE, VALUE.hex().encode(), *shifted):
        assert spelling not in found


class Clock:
    def __init__(self) -> None:
        self.ahead_us = 0

    def now_us(self) -> int:
        return SystemClock().now_us() + self.ahead_us


async def test_a_data_key_seals_for_90_days_or_so_many_records(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (domain.KEY_DAYS, domain.MOST_RECORDS) == (90, 2**30)
    store = place.service.stores.secrets
    clock = Clock()
    keys = DataKeys(store, SEALING, clock, operated_by_callers=False)
    tenant = LOCAL_TENANT_ID
    first = await keys.in_force(tenant)
    assert (await keys.in_force(tenant)).key_id == first.key_id
    clock.ahead_us = 89 * DAY_US
    assert (await keys.in_force(tenant)).key_id == first.key_id
    clock.ahead_us = 90 * DAY_US
    second = await keys.in_force(tenant)
    assert second.key_id != first.key_id

    def use(secrets: Secrets) -> tuple[bool, bool]:
        return secrets.count_records(first.key_id, 1), secrets.count_records(second.key_id, 7)

    # What was retired seals nothing more.
    assert await store.secrets(tenant, use) == (False, True)
    monkeypatch.setattr(domain, "MOST_RECORDS", 7)
    third = await keys.in_force(tenant)
    assert third.key_id != second.key_id
    # Nor does a clock that has gone back bring an old one back.
    clock.ahead_us = 0
    assert (await keys.in_force(tenant)).key_id == third.key_id


async def test_a_server_with_a_key_of_before_makes_no_data_keys(
    either: Path | PostgresUrl,
) -> None:
    """They could be opened by nobody, once that key is thrown away."""
    async with open_place(either) as place:
        await reseal_keys(either, SEALING, new_sealing())
        refusal = await place.refusal(
            place.owner,
            "SecretService/CreateSecret",
            parent=PARENT,
            secret_id="late",
            secret={"value": b"x"},
        )
        assert refusal.reason == "INTERNAL"
    assert await rows(either, "SELECT * FROM data_key") == []


def test_the_command_takes_one_step_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOWPATH_HOME", str(tmp_path))
    words = ["rotate-keys", "--data-keys", "--new-key-file", str(tmp_path / "b.key")]
    refused = CliRunner().invoke(server, words)
    assert refused.exit_code == 2
    assert "one at a time" in refused.output
    assert not list(tmp_path.iterdir())
