"""What is looked up when something about a tenant has changed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from towpath_auth import LOCAL_TENANT_ID
from towpath_service.core.errors import ServiceError

from tests.contract.identity.streams import end_of
from tests.in_process.place import Place, metadata

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath_service.identity.ports.store import Identity, IdentityStore


class Counting:
    """A store that notes who was looked up, by transactions, and keeps the first one waiting."""

    def __init__(self, store: IdentityStore, *, holds: bool = False) -> None:
        self._store = store
        self.asked: list[list[str]] = []
        self.first_tenant = ""
        self.begun, self.free = asyncio.Event(), asyncio.Event()
        if not holds:
            self.free.set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def tenant(self, tenant_id: str, work: Callable[[Identity], Any]) -> Any:
        if not self.begun.is_set():
            self.first_tenant = tenant_id
            self.begun.set()
            await self.free.wait()
        asked: list[str] = []
        self.asked.append(asked)
        return await self._store.tenant(
            tenant_id, lambda identity: work(cast("Identity", _Noting(identity, asked)))
        )


class _Noting:
    def __init__(self, identity: Identity, asked: list[str]) -> None:
        self._identity = identity
        self._asked = asked

    def __getattr__(self, name: str) -> Any:
        return getattr(self._identity, name)

    def standing(self, credential_id: str) -> Any:
        self._asked.append(credential_id)
        return self._identity.standing(credential_id)


async def watching(place: Place, token: str) -> asyncio.Task[str]:
    """A task with an open stream, that tells why it ends."""
    opened = asyncio.Event()

    async def watch() -> str:
        stream = place.service.dispatcher.server_stream(
            place.endpoint("RunService/WatchRuns"),
            place.request("RunService/WatchRuns", parent="workspaces/default"),
            metadata(token),
        )
        await anext(stream)
        opened.set()
        return await end_of(stream)

    task = asyncio.create_task(watch())
    await opened.wait()
    return task


async def leave(*streams: asyncio.Task[str]) -> None:
    for stream in streams:
        stream.cancel()
    await asyncio.wait(streams)


def counted(place: Place, *, holds: bool = False) -> Counting:
    """The store of a place's authority, from now on."""
    store = Counting(place.authority._store, holds=holds)
    place.authority._store = cast("IdentityStore", store)
    return store


async def test_one_look_at_each_credential_is_for_all_its_streams(place: Place) -> None:
    _, gone = await place.user("viewer")
    _, stays = await place.user("viewer")
    streams = [
        await watching(place, await place.token(key)) for key in (gone, stays) for _ in range(5)
    ]
    store = counted(place)
    ids = [key.split("_")[1] for key in (gone, stays)]
    await place.call(place.owner, "AccessService/RevokeApiKey", name=ids[0])
    assert sorted(store.asked[-1]) == sorted(ids)
    assert sum(len(asked) > 1 for asked in store.asked) == 1
    assert set(await asyncio.gather(*streams[:5])) == {"CREDENTIAL_REVOKED"}
    assert not any(stream.done() for stream in streams[5:])
    await leave(*streams[5:])


async def test_a_tenant_without_streams_is_not_looked_at(place: Place) -> None:
    store = counted(place)
    await place.authority.forget(LOCAL_TENANT_ID)
    assert store.asked == []


async def test_no_tenants_callers_are_let_in_while_streams_of_another_are_judged(
    place: Place,
) -> None:
    tokens, streams = {LOCAL_TENANT_ID: place.owner}, [await watching(place, place.owner)]
    for _ in range(3):
        tenant_id, token = await place.tenant()
        tokens[tenant_id] = token
        streams.append(await watching(place, token))
    for tenant_id, token in tokens.items():
        key_id = (await place.call(token, "AuthService/GetCaller")).credential_id
        await place.service.stores.identity.tenant(tenant_id, _revoking(key_id))
    store = counted(place, holds=True)
    looking = asyncio.create_task(place.authority.look())
    await store.begun.wait()
    for tenant_id, token in tokens.items():
        if tenant_id != store.first_tenant:
            refusal = await place.refusal(token, "AuthService/GetCaller")
            assert refusal.reason == "CREDENTIAL_REVOKED"
    store.free.set()
    await looking
    assert set(await asyncio.gather(*streams)) == {"CREDENTIAL_REVOKED"}


def _revoking(key_id: str) -> Callable[[Identity], None]:
    def work(identity: Identity) -> None:
        identity.tenant.touch()
        identity.keys.change(key_id, revoked_us=1)

    return work


async def test_a_store_that_cant_answer_now_ends_no_stream(place: Place) -> None:
    stream = await watching(place, place.owner)

    class Busy(Counting):
        async def tenant(self, tenant_id: str, work: Callable[[Identity], Any]) -> Any:
            raise ServiceError(reason="OVERLOADED", message="busy")

    kept = place.authority._store
    place.authority._store = cast("IdentityStore", Busy(kept))
    await place.authority.forget(LOCAL_TENANT_ID)
    assert not stream.done()
    place.authority._store = kept
    await place.call(place.owner, "AccessService/RevokeApiKey", name=place.owner_key.split("_")[1])
    assert await stream == "CREDENTIAL_REVOKED"
