"""Workers of a service with identity: tokens for their runs, and the audit log."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from towpath.api.v1 import work_service_pb2 as pb

from tests.in_process.place import metadata

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.in_process.place import Place

PARENT = "workspaces/default"


async def test_a_worker_attaches_with_its_key_and_is_recorded_once(place: Place) -> None:
    await place.call(
        place.owner,
        "WorkService/CreateWorkPool",
        parent=PARENT,
        work_pool_id="local",
        work_pool={"kind": "process"},
    )
    name, key = await place.account("worker")
    token = await place.token(key)
    endpoint = place.endpoint("WorkService/AttachWorker")
    hello = pb.WorkerHello(
        parent=f"{PARENT}/workPools/local",
        worker_id="w1",
        instance_id=str(uuid4()),
        kind="process",
        slots=1,
    )

    async def once() -> AsyncIterator[Any]:
        yield pb.AttachWorkerRequest(hello=hello)
        await asyncio.Event().wait()

    for _ in range(2):
        dispatcher = place.service.dispatcher
        answers: Any = dispatcher.bidi_stream(endpoint, once(), metadata(token))
        attached = (await anext(answers)).attached
        await answers.aclose()
        assert attached.worker.principal == name
    logged = await place.call(place.owner, "AccessService/ListAuditEntries")
    found = [item for item in logged.audit_entries if item.action == "worker.attach"]
    assert [(item.resource, item.actor) for item in found] == [
        (f"{PARENT}/workPools/local/workers/w1", name)
    ]
