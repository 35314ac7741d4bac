"""Peppers of API keys that change while keys of before go on."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner
from sqlalchemy import text
from towpath_auth import LOCAL_TENANT_ID
from towpath_service.app.identity.key_rotation import reseal_keys, rotate_pepper
from towpath_service.app.wiring import open_service
from towpath_service.cli.server import server
from towpath_service.database.upkeep.maintenance import at_database
from towpath_service.identity.application.server_keys import PEPPER_IDLE_SECONDS, PUBLISHED_SECONDS
from towpath_service.identity.application.sign_in import KEPT_TOKENS

from tests.in_process.place import OPTIONS, SEALING, Place, open_place
from tests.unit.service.identity.test_sign_in import begun, reason, refreshed, signed_in

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    import pytest
    from towpath_service.database.postgres_url import PostgresUrl

    from tests.in_process.fixtures import MovableClock

EXCHANGE = "AuthService/ExchangeToken"


@asynccontextmanager
async def replicas(database: Path | PostgresUrl) -> AsyncGenerator[tuple[Place, Place]]:
    async with (
        open_place(database) as place,
        open_service(database, identity=OPTIONS, sealing=SEALING) as other,
    ):
        yield place, Place(other, place.owner_key, place.owner)


async def version_of(place: Place, key: str) -> int:
    """The pepper that a key of the first tenant is hashed under."""
    found = await place.service.stores.identity.tenant(
        LOCAL_TENANT_ID, lambda identity: identity.keys.find(key.split("_")[1])
    )
    assert found is not None
    return found[0].pepper_version


async def kept(database: Any) -> set[str]:
    statement = text("SELECT key_id FROM server_key WHERE purpose = 'pepper'")
    found = await at_database(database, lambda connection: list(connection.execute(statement)))
    return {row[0] for row in found}


async def in_force(database: Any, clock: MovableClock, *places: Place) -> int:
    """Makes the next pepper, and lets time pass until it is in force."""
    version = await rotate_pepper(database, SEALING)
    clock.move(PUBLISHED_SECONDS + 1)
    for place in places:
        await place.authority.open()
    return version


async def test_keys_of_both_peppers_are_exchanged_on_every_replica(
    either: Path | PostgresUrl, clock: MovableClock
) -> None:
    async with replicas(either) as (place, other):
        _, old = await place.account("runner")
        assert await rotate_pepper(either, SEALING) == 2
        for each in (place, other):
            await each.authority.look()
            assert set(each.authority.ring.peppers.by_version) == {1, 2}
        # What is made before all know it is under the one that all know.
        _, between = await place.account("runner")
        clock.move(PUBLISHED_SECONDS + 1)
        await place.authority.open()
        # The other has yet to see that the time has come, and takes the new key all the same.
        _, new = await place.account("runner")
        _, theirs = await other.account("runner")
        assert [await version_of(place, key) for key in (old, between, new)] == [1, 1, 2]
        assert await version_of(place, theirs) == 1
        for each in (place, other):
            for key in (place.owner_key, old, between, new, theirs):
                assert await each.token(key)
        # A key that is rotated comes under the new one.
        made = await place.call(place.owner, "AccessService/RotateApiKey", name=old.split("_")[1])
        assert await version_of(place, made.key) == 2


async def test_a_pepper_goes_once_no_key_that_holds_is_under_it(
    either: Path | PostgresUrl, clock: MovableClock
) -> None:
    async with replicas(either) as (place, other):
        _, old = await place.account("runner")
        assert await in_force(either, clock, place, other) == 2
        _, new = await place.account("runner")
        mine = (await place.call(place.owner, "AccessService/CreateApiKey")).key
        clock.move(PEPPER_IDLE_SECONDS + 1)
        await place.authority.forget_peppers()
        assert await kept(either) == {"1", "2"}
        assert await place.token(old)

        owner = await place.token(mine)
        for key in (old, place.owner_key):
            await place.call(owner, "AccessService/RevokeApiKey", name=key.split("_")[1])
        await place.authority.forget_peppers()
        assert await kept(either) == {"2"}
        for each in (place, other):
            await each.authority.look()
            assert set(each.authority.ring.peppers.by_version) == {2}
            assert await each.token(new)
            assert await reason(each, None, EXCHANGE, api_key=old) != ""
        # Never the one in force, and the next version is the next.
        await place.authority.forget_peppers()
        assert await kept(either) == {"2"}
        assert await rotate_pepper(either, SEALING) == 3


async def test_a_pepper_stays_an_hour_for_replicas_that_are_late(
    small: Place, tmp_path: Path, clock: MovableClock
) -> None:
    database = tmp_path / "towpath.db"
    await in_force(database, clock, small)
    mine = (await small.call(small.owner, "AccessService/CreateApiKey")).key
    owner = await small.token(mine)
    await small.call(owner, "AccessService/RevokeApiKey", name=small.owner_key.split("_")[1])
    await small.authority.forget_peppers()
    assert await kept(database) == {"1", "2"}
    clock.move(PEPPER_IDLE_SECONDS + 1)
    await small.authority.forget_peppers()
    assert await kept(database) == {"2"}


async def test_logins_and_devices_of_before_go_on_and_hold_their_pepper(
    small: Place, tmp_path: Path, clock: MovableClock
) -> None:
    database = tmp_path / "towpath.db"
    login = await signed_in(small)
    device = await begun(small)
    await in_force(database, clock, small)
    mine = (await small.call(small.owner, "AccessService/CreateApiKey")).key
    owner = await small.token(mine)
    await small.call(owner, "AuthService/ApproveDeviceSignIn", user_code=device.user_code)
    other = await small.call(None, EXCHANGE, device_code=device.device_code)
    following = await refreshed(small, login.refresh_token)
    await small.call(owner, "AccessService/RevokeApiKey", name=small.owner_key.split("_")[1])
    clock.move(PEPPER_IDLE_SECONDS + 1)
    # However many follow, one that is used up would tell of theft, and was made under the first.
    for _ in range(KEPT_TOKENS + 1):
        following = await refreshed(small, following.refresh_token)
    await small.authority.forget_peppers()
    assert await kept(database) == {"1", "2"}
    assert await reason(small, None, EXCHANGE, refresh_token=login.refresh_token) == (
        "CREDENTIAL_REVOKED"
    )
    assert await reason(small, None, EXCHANGE, refresh_token=following.refresh_token) == (
        "CREDENTIAL_REVOKED"
    )
    # The other began while replicas may have been late.
    await small.authority.forget_peppers()
    assert await kept(database) == {"1", "2"}
    other = await refreshed(small, other.refresh_token)
    await small.call(other.access_token, "AuthService/SignOut")
    await small.authority.forget_peppers()
    assert await kept(database) == {"2"}


async def test_peppers_are_sealed_anew_as_all_keys_are(tmp_path: Path, clock: MovableClock) -> None:
    database = tmp_path / "towpath.db"
    async with open_place(database) as place:
        await in_force(database, clock, place)
        assert await reseal_keys(database, SEALING, SEALING) == 4
        await place.authority.open()
        assert await place.token(place.owner_key)


def test_the_command_makes_the_next_pepper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWPATH_HOME", str(tmp_path))

    def said(*words: str) -> Any:
        return CliRunner().invoke(server, ["rotate-keys", *words])

    assert CliRunner().invoke(server, ["init-auth"]).exit_code == 0
    made = said("--pepper")
    assert (made.exit_code, "Version 2" in made.output) == (0, True)
    assert "Version 3" in said("--pepper").output
    for other in ("--data-keys", "--new-key-file=x", "--new-key=env:X"):
        refused = said("--pepper", other)
        assert (refused.exit_code, "one at a time" in refused.output) == (2, True)
