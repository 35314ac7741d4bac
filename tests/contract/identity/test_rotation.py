"""Keys of the service that change while it is called."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jwt
from sqlalchemy import text
from towpath_auth import LOCAL_TENANT_ID
from towpath_auth.credentials import LEEWAY_SECONDS, MAX_LIFE_SECONDS
from towpath_auth.envelope import LocalKey
from towpath_service.app.identity.key_rotation import reseal_keys, rotate_signing_key
from towpath_service.app.identity.sealing import EnvelopeSealer
from towpath_service.app.wiring import open_service
from towpath_service.database.upkeep.maintenance import at_database
from towpath_service.identity.application.authority import (
    AUDIENCE,
    ISSUER,
    KEYS_SECONDS,
    TOKEN_SECONDS,
)
from towpath_service.identity.application.server_keys import PUBLISHED_SECONDS

from tests.in_process.place import OPTIONS, SEALER, SEALING, Place, open_place, sealing_by

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from towpath_service.database.postgres_url import PostgresUrl

    from tests.in_process.fixtures import MovableClock


def kid(token: str) -> str:
    """The key that a token was signed with."""
    return str(jwt.get_unverified_header(token)["kid"])


async def published(place: Place) -> set[str]:
    """The keys that others are told to accept."""
    return {key.kid for key in (await place.call(None, "AuthService/GetJwks")).keys}


async def check(place: Place, token: str) -> None:
    """Verifies a token that may have been verified before."""
    await place.authority.forget(LOCAL_TENANT_ID)
    assert (await place.call(token, "AuthService/GetCaller")).credential_id


async def signing_rows(database: Any) -> set[str]:
    statement = text("SELECT key_id FROM server_key WHERE purpose = 'signing'")
    found = await at_database(database, lambda connection: list(connection.execute(statement)))
    return {row[0] for row in found}


async def test_a_new_signing_key_is_known_then_signs_and_the_old_one_ends_after_its_tokens(
    either: Path | PostgresUrl, clock: MovableClock
) -> None:
    clock.stop()
    async with open_place(either) as place:
        authority = place.authority
        old = authority.ring.signing
        new = await rotate_signing_key(either, SEALING)
        await authority.open()
        assert await published(place) == {old.kid, new}
        clock.move(PUBLISHED_SECONDS - 5)
        await authority.open()
        before = await place.token(place.owner_key)
        assert kid(before) == old.kid

        clock.move(10)
        await authority.open()
        after = await place.token(place.owner_key)
        assert kid(after) == new
        for token in (before, after):
            await check(place, token)

        # A replica that looks late goes on with the old key: its tokens are good until they end.
        claims = (await authority.caller(after)).claims
        assert claims is not None
        clock.move(MAX_LIFE_SECONDS + LEEWAY_SECONDS - 10)
        await authority.open()
        assert await published(place) == {old.kid, new}
        now = int(clock.now_seconds())
        lived = replace(claims, issued_at=now - 5, expires_at=now + TOKEN_SECONDS)
        late = old.sign(lived, issuer=ISSUER, audience=AUDIENCE)
        await check(place, late)

        # Once none of its tokens can be left, whoever has the old key has nothing.
        clock.move(10)
        await authority.open()
        assert await published(place) == {new}
        await authority.forget(LOCAL_TENANT_ID)
        assert (await place.refusal(late, "AuthService/GetCaller")).reason == "CREDENTIAL_INVALID"
        third = await rotate_signing_key(either, SEALING)
        assert await signing_rows(either) == {new, third}


async def test_no_call_is_refused_while_replicas_learn_of_a_key_at_different_times(
    either: Path | PostgresUrl, clock: MovableClock
) -> None:
    clock.stop()
    step = int(KEYS_SECONDS) // 2
    async with (
        open_place(either) as place,
        open_service(either, identity=OPTIONS, sealing=SEALING) as other,
    ):
        replicas = (place, Place(other, place.owner_key, place.owner))
        tokens: list[tuple[int, str]] = []
        signed_by: set[str] = set()
        for turn in range(90):
            # Each looks every half minute, and they take turns.
            await replicas[turn % 2].authority.open()
            if turn == 10:
                await rotate_signing_key(either, SEALING)
            if turn % 8 == 0 or 10 <= turn < 20:
                tokens += [(turn, await replica.token(place.owner_key)) for replica in replicas]
            tokens = [(made, token) for made, token in tokens if turn - made < TOKEN_SECONDS / step]
            signed_by |= {kid(token) for _, token in tokens}
            by_key: dict[str, list[str]] = defaultdict(list)
            for _, token in tokens:
                by_key[kid(token)].append(token)
            # What holds of the oldest and the newest of a key holds of those between.
            held = {token for found in by_key.values() for token in (found[0], found[-1])}
            for replica in replicas:
                await replica.authority.forget(LOCAL_TENANT_ID)
                for token in held:
                    assert (await replica.authority.caller(token)).credential_id
            clock.move(step)
        assert len(signed_by) == 2
        assert {kid(token) for _, token in tokens} == {place.authority.ring.signing.kid}
        for replica in replicas:
            assert len(replica.authority.ring.public) == 1


async def test_a_server_whose_keys_were_sealed_anew_goes_on_and_says_so(
    either: Path | PostgresUrl, caplog: pytest.LogCaptureFixture
) -> None:
    following = EnvelopeSealer([LocalKey(b"n" * 32)])
    async with open_place(either) as place:
        name, key = await place.account("runner")
        token = await place.token(key)
        await reseal_keys(either, SEALING, sealing_by(following))
        await place.authority.look()
        assert "can't reload the server keys" in caplog.text
        assert "--key-file" in caplog.text
        # What was revoked elsewhere is felt all the same, and what is wrong isn't said each second.
        caplog.clear()
        async with open_service(either, identity=OPTIONS, sealing=sealing_by(following)) as other:
            there = Place(other, place.owner_key)
            there.owner = await there.token(place.owner_key)
            await there.call(
                there.owner,
                "AccessService/RevokeApiKey",
                name=f"{name}/apiKeys/{key.split('_')[1]}",
            )
        await place.authority.look()
        assert (await place.refusal(token, "AuthService/GetCaller")).reason == "CREDENTIAL_REVOKED"
        assert caplog.text == ""


async def test_a_replica_learns_of_a_key_at_its_next_look(either: Path | PostgresUrl) -> None:
    async with open_place(either) as place:
        new = await rotate_signing_key(either, SEALING)
        assert new not in await published(place)
        await place.authority.look()
        assert new in await published(place)


class Counting:
    """A sealer that counts what it is asked to open."""

    def __init__(self) -> None:
        self.opened: list[str] = []

    def open(self, sealed: str, place: str) -> bytes:
        self.opened.append(place)
        return SEALER.open(sealed, place)

    def __getattr__(self, name: str) -> Any:
        return getattr(SEALER, name)


async def test_what_was_opened_once_isnt_opened_again(tmp_path: Path) -> None:
    counting: Any = Counting()
    sealing = sealing_by(counting)
    async with open_place(tmp_path / "towpath.db", sealing=sealing) as place:
        counting.opened.clear()
        await place.authority.open()
        assert counting.opened == []
        new = await rotate_signing_key(tmp_path / "towpath.db", SEALING)
        await place.authority.open()
        assert counting.opened == [f"server_key/signing/{new}"]
