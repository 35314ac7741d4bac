"""Changes of one tenant on two replicas at once."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

from towpath.api.v1 import tenant_service_pb2
from towpath_service.app.wiring import open_service
from towpath_service.database.postgres_url import PostgresUrl
from towpath_service.identity.storage.tenants import SqlTenantDirectory

from tests.in_process.place import OPTIONS, SEALING, Place, open_place
from tests.postgres.waiting import one_done_or_waiting

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

SUSPENDED = tenant_service_pb2.TENANT_STATE_SUSPENDED


async def test_a_tenant_suspended_while_its_limits_are_set_stays_suspended(
    either: Path | PostgresUrl, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        open_place(either) as place,
        open_service(either, identity=OPTIONS, sealing=SEALING) as service,
    ):
        other = Place(service, "", place.owner)
        await place.tenant("acme")
        has_read, may_write = threading.Event(), threading.Event()
        read = SqlTenantDirectory.find

        def read_and_wait(*asked: Any, **how: Any) -> Any:
            found = read(*asked, **how)
            if not has_read.is_set():
                has_read.set()
                assert may_write.wait(30)
            return found

        monkeypatch.setattr(SqlTenantDirectory, "find", read_and_wait)
        limiting = asyncio.create_task(
            place.call(
                *(place.owner, "TenantService/SetTenantQuotas"),
                name="tenants/acme",
                quotas={"open_streams": 7},
            )
        )
        await asyncio.to_thread(has_read.wait, 30)
        suspending = asyncio.create_task(
            other.call(other.owner, "TenantService/SuspendTenant", name="tenants/acme")
        )
        if isinstance(either, PostgresUrl):
            # On SQLite nobody else begins to write in between.
            await one_done_or_waiting([suspending], request.getfixturevalue("postgres_dsn"))
        may_write.set()
        await asyncio.gather(limiting, suspending)
        tenants = (await place.call(place.owner, "TenantService/ListTenants")).tenants
        acme = next(tenant for tenant in tenants if tenant.name == "tenants/acme")
        assert (acme.state, acme.quotas.open_streams) == (SUSPENDED, 7)
