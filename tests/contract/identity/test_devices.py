"""Devices that wait to be signed in, while several things happen to them at once."""

from __future__ import annotations

import asyncio
import threading
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from towpath_auth import LOCAL_TENANT_ID
from towpath_service.app.wiring import open_service
from towpath_service.database.postgres_url import parse_postgres_url
from towpath_service.identity.storage.devices import SqlWaitingDevices

from tests.in_process.place import OPTIONS, SEALING, Place, open_place
from tests.unit.service.identity.test_sign_in import EXCHANGE, begun, reason

if TYPE_CHECKING:
    import pytest
    from towpath_service.database.postgres_url import PostgresUrl

START = "AuthService/StartDeviceSignIn"


async def test_an_approval_outlasts_a_poll_that_began_before(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, read, approved = parse_postgres_url(postgres_dsn), threading.Event(), threading.Event()
    found = SqlWaitingDevices.find

    def held(devices: SqlWaitingDevices, device_id: str) -> Any:
        device = found(devices, device_id)
        read.set()
        assert approved.wait(30)
        return device

    async with (
        open_place(url) as place,
        open_service(url, identity=OPTIONS, sealing=SEALING) as other,
    ):
        device = await begun(place)
        monkeypatch.setattr(SqlWaitingDevices, "find", held)
        replica = Place(other, place.owner_key)
        poll = reason(replica, None, EXCHANGE, device_code=device.device_code)
        polling = asyncio.ensure_future(poll)
        assert await asyncio.to_thread(read.wait, 30)
        approval = {"user_code": device.user_code}
        await place.call(place.owner, "AuthService/ApproveDeviceSignIn", **approval)
        approved.set()
        assert await polling == "SIGN_IN_PENDING"
        answer = await place.call(None, EXCHANGE, device_code=device.device_code)
        assert answer.actor.principal == "users/owner@example.org"


async def test_a_device_is_approved_once(place: Place) -> None:
    device = await begun(place)
    device_id = device.device_code.split("_")[1]

    def approved(installation: Any) -> list[bool]:
        return [
            installation.devices.approve(device_id, LOCAL_TENANT_ID, name)
            for name in ("a" * 16, "b" * 16)
        ]

    assert await place.service.stores.identity.installation(approved) == [True, False]
    kept = await place.service.stores.identity.installation(
        lambda found: found.devices.find(device_id)
    )
    assert kept is not None
    assert kept.credential_id == "a" * 16
    assert not await place.service.stores.identity.installation(
        lambda found: found.devices.approve("none", LOCAL_TENANT_ID, "c" * 16)
    )


async def test_few_devices_wait_from_one_address_though_all_begin_at_once(
    either: Path | PostgresUrl,
) -> None:
    async with open_place(either) as place, AsyncExitStack() as stack:
        replicas = [place]
        if not isinstance(either, Path):
            service = open_service(either, identity=OPTIONS, sealing=SEALING)
            replicas.append(Place(await stack.enter_async_context(service), place.owner_key))
        calls = [reason(replica, None, START) for _ in range(20) for replica in replicas]
        answers = await asyncio.gather(*calls)
        assert sorted(answers) == [""] * 10 + ["QUOTA_EXCEEDED"] * (len(calls) - 10)
