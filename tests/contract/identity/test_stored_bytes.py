"""The limit of what a tenant stores: what is refused, what is held, and that nothing is lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from google.rpc import error_details_pb2
from towpath.api.v1 import ingest_service_pb2 as pb
from towpath_service.core.errors import ServiceError
from towpath_service.rpc.errors import to_status
from towpath_service.runs.rpc import update_streams

from tests.in_process.place import metadata
from tests.in_process.producing import batch, creation, opening, transition

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.in_process.place import Place

RECORD = "IngestService/RecordUpdates"
LIMIT = "TenantService/SetTenantQuotas"


async def limit(place: Place, stored_bytes: int) -> None:
    quotas = {"stored_bytes": stored_bytes}
    await place.call(place.owner, LIMIT, name="tenants/main", quotas=quotas)


async def stored(place: Place) -> int:
    answer = await place.call(place.owner, "AccessService/GetUsage")
    return {item.quota: item.used for item in answer.usage}["stored_bytes"]


def record(producer: str, first: int, *updates: pb.Update) -> dict[str, Any]:
    return {
        "workspace": "workspaces/default",
        "producer_id": producer,
        "batch": batch(first, *updates),
    }


async def state(place: Place, run_id: str) -> int:
    name = f"workspaces/default/runs/{run_id}"
    return int((await place.call(place.owner, "RunService/GetRun", name=name)).run.state)


async def exists(place: Place, run_id: str) -> bool:
    try:
        await state(place, run_id)
    except ServiceError as error:
        if error.reason != "RESOURCE_NOT_FOUND":
            raise
        return False
    return True


def details(error: ServiceError) -> dict[str, Any]:
    return {detail.type_url.rpartition(".")[2]: detail for detail in to_status(error).details}


class Stream:
    """An ingestion stream of the owner's."""

    def __init__(self, place: Place) -> None:
        self.sending: asyncio.Queue[Any] = asyncio.Queue()
        endpoint = place.endpoint("IngestService/StreamUpdates")
        dispatcher = place.service.dispatcher
        self.answers = dispatcher.bidi_stream(endpoint, self._sent(), metadata(place.owner))

    async def _sent(self) -> AsyncGenerator[Any]:
        while (message := await self.sending.get()) is not None:
            yield message

    def send(self, message: Any) -> None:
        self.sending.put_nowait(message)

    async def next(self) -> Any:
        async with asyncio.timeout(20):
            return await anext(self.answers)


async def test_new_runs_and_log_lines_are_refused_and_states_are_taken(place: Place) -> None:
    producer, run_id, other = str(uuid4()), str(uuid4()), str(uuid4())
    await place.call(place.owner, RECORD, **record(producer, 1, creation(run_id)))
    used = await stored(place)
    assert used > 1000
    await limit(place, used)
    mixed = record(producer, 2, transition(run_id), creation(other))
    refusal = await place.refusal(place.owner, RECORD, **mixed)
    assert (refusal.reason, refusal.retry_after_seconds) == ("QUOTA_EXCEEDED", None)
    assert refusal.metadata["quota"] == "stored_bytes"
    # What came before the new run is stored; all of it may be sent again.
    assert await state(place, run_id) == 7
    assert not await exists(place, other)
    lines = {"records": [{"sequence": 1, "run_id": run_id, "body": "b", "severity": 9}]}
    lines["records"][0]["occur_time"] = {"seconds": 1_800_000_000}
    logs = {"workspace": "workspaces/default", "producer_id": producer, **lines}
    refused = await place.refusal(place.owner, "LogService/WriteLogs", **logs)
    assert (refused.reason, refused.retry_after_seconds) == ("QUOTA_EXCEEDED", None)
    await limit(place, 10 * used)
    assert not (await place.call(place.owner, RECORD, **mixed)).ack.rejections
    assert await exists(place, other)
    await place.call(place.owner, "LogService/WriteLogs", **logs)


async def test_what_a_stream_sends_is_held_until_there_is_room(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(update_streams, "HELD_SECONDS", 0.1)
    first, second, third = (str(uuid4()) for _ in range(3))
    await limit(place, 1)
    producer = str(uuid4())
    stream = Stream(place)
    stream.send(opening(producer))
    opened = await stream.next()
    assert opened.opened.committed_sequence == 0
    stream.send(pb.StreamUpdatesRequest(batch=batch(1, creation(first), transition(first))))
    # Nothing was stored: there was room for this commit, and for none after it.
    assert (await stream.next()).ack.committed_sequence == 2
    known = transition(first, 3)
    stream.send(pb.StreamUpdatesRequest(batch=batch(3, known, creation(second))))
    stream.send(pb.StreamUpdatesRequest(batch=batch(5, transition(second), creation(third))))
    for _ in range(3):
        ack = (await stream.next()).ack
        assert ack.committed_sequence == 3
        assert ack.HasField("window")
        assert ack.window.max_inflight_updates == 0
        assert ack.window.held_by_quota == "stored_bytes"
    await limit(place, 1_000_000)
    while ack.committed_sequence < 6:
        ack = (await stream.next()).ack
        if ack.committed_sequence > 3:
            assert ack.window.max_inflight_updates in {0, update_streams.WINDOW_UPDATES}
    assert await state(place, second) == 7
    assert await exists(place, third)
    stream.send(None)
    assert [answer async for answer in stream.answers] == []


async def test_a_stream_that_is_half_closed_is_told_why_it_ends(place: Place) -> None:
    await place.run(place.owner)
    await limit(place, 1)
    stream = Stream(place)
    stream.send(opening(str(uuid4())))
    await stream.next()
    stream.send(pb.StreamUpdatesRequest(batch=batch(1, creation(str(uuid4())))))
    assert (await stream.next()).ack.window.held_by_quota == "stored_bytes"
    stream.send(None)
    with pytest.raises(ServiceError, match="QUOTA_EXCEEDED"):
        await stream.next()


async def test_a_limit_of_one_tenant_holds_for_no_other(place: Place) -> None:
    await place.run(place.owner)
    await limit(place, 1)
    _, other = await place.tenant()
    run_id = await place.run(other)
    refusal = await place.refusal(
        place.owner, RECORD, **record(str(uuid4()), 1, creation(str(uuid4())))
    )
    found = details(refusal)
    assert set(found) == {"ErrorInfo", "QuotaFailure"}
    failure = error_details_pb2.QuotaFailure()
    found["QuotaFailure"].Unpack(failure)
    (violation,) = failure.violations
    assert violation.subject == "quota:stored_bytes"
    assert "delete runs" in violation.description
    assert run_id


async def test_deleting_runs_makes_room(place: Place) -> None:
    run_id, producer = str(uuid4()), str(uuid4())
    await place.call(
        place.owner, RECORD, **record(producer, 1, creation(run_id), transition(run_id))
    )
    before = await stored(place)
    await limit(place, before)
    new = record(producer, 3, creation(str(uuid4())))
    await place.refusal(place.owner, RECORD, **new)
    await place.call(place.owner, "RunService/DeleteRun", name=f"workspaces/default/runs/{run_id}")
    assert await stored(place) == 0
    await place.call(place.owner, RECORD, **new)
