"""Changes of keys and rights, as open streams and other replicas meet them."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from towpath_service.app.wiring import open_service

from tests.contract.identity.streams import begun, end_of, reporting, watching
from tests.in_process.place import OPTIONS, SEALING, Place, open_place

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from towpath_service.database.postgres_url import PostgresUrl


@pytest.mark.parametrize("open_stream", [watching, reporting])
async def test_a_revoked_key_is_refused_on_another_replica_within_five_seconds(
    either: Path | PostgresUrl, open_stream: Callable[[Place, str], AsyncGenerator[Any]]
) -> None:
    async with (
        open_place(either) as place,
        open_service(either, identity=OPTIONS, sealing=SEALING) as other,
    ):
        name, key = await place.account("runner")
        token = await place.token(key)
        there = Place(other, "", place.owner)
        assert (await there.call(token, "AuthService/GetCaller")).credential_id
        looking = asyncio.create_task(_looking(there))
        stream = open_stream(there, token)
        ended = await begun(stream)
        began = time.monotonic()
        await place.call(
            place.owner,
            "AccessService/RevokeApiKey",
            name=f"{name}/apiKeys/{key.split('_')[1]}",
        )
        assert await ended == "CREDENTIAL_REVOKED"
        refusal = await there.refusal(token, "AuthService/GetCaller")
        assert refusal.reason == "CREDENTIAL_REVOKED"
        assert time.monotonic() - began < 5.0
        looking.cancel()


async def test_a_token_made_under_another_public_url_is_refused(
    either: Path | PostgresUrl,
) -> None:
    here = replace(OPTIONS, public_url="https://towpath.example.com")
    there = replace(OPTIONS, public_url="https://towpath.example.org")
    async with (
        open_place(either, here) as place,
        open_service(either, identity=there, sealing=SEALING) as renamed,
        open_service(either, identity=OPTIONS, sealing=SEALING) as nameless,
        open_service(either, identity=here, sealing=SEALING) as replica,
    ):
        assert place.authority.issuer == "https://towpath.example.com"
        asked = "AuthService/GetCaller"
        for other in (renamed, nameless):
            refusal = await Place(other, "").refusal(place.owner, asked)
            assert refusal.reason == "CREDENTIAL_INVALID"
        assert (await Place(replica, "").call(place.owner, asked)).credential_id


async def _looking(place: Place) -> None:
    await place.authority.run()


async def test_a_role_taken_away_ends_the_streams_it_permitted(place: Place) -> None:
    name, key = await place.account("viewer")
    token = await place.token(key)
    stream = watching(place, token)
    ended = await begun(stream)
    await place.call(
        place.owner, "AccessService/DeleteRoleBinding", principal=name, role="roles/viewer"
    )
    assert await ended == "PERMISSION_MISSING"


async def test_a_role_given_is_felt_at_once(place: Place) -> None:
    name, key = await place.account("viewer")
    token = await place.token(key)
    request = {"permissions": ["run.delete"], "workspace": "workspaces/default"}
    before = await place.call(token, "AccessService/TestPermissions", **request)
    assert not before.permissions
    await place.call(
        place.owner,
        "AccessService/CreateRoleBinding",
        principal=name,
        role="roles/workspace-admin",
        workspace="workspaces/default",
    )
    after = await place.call(token, "AccessService/TestPermissions", **request)
    assert list(after.permissions) == ["run.delete"]


async def test_a_stream_ends_with_its_token(small: Place) -> None:
    now = int(time.time())
    token = small.forged(small.owner, issued_at=now - 600, expires_at=now + 1)
    stream = watching(small, token)
    assert await end_of(stream) == "CREDENTIAL_EXPIRED"


async def test_a_principal_made_anew_is_another(place: Place) -> None:
    email = "eve@example.org"
    made = await place.call(place.owner, "AccessService/CreateUser", email=email, with_api_key=True)
    token = await place.token(made.api_key)
    await place.call(place.owner, "AccessService/DeleteUser", name=f"users/{email}")
    again = await place.call(place.owner, "AccessService/CreateUser", email=email)
    assert again.user.uid != made.user.uid
    assert (await place.refusal(token, "AuthService/GetCaller")).reason == "CREDENTIAL_REVOKED"
    refusal = await place.refusal(None, "AuthService/ExchangeToken", api_key=made.api_key)
    assert refusal.reason == "CREDENTIAL_INVALID"
