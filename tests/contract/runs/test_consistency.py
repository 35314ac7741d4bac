"""Reads as fresh as a token asks, and deletions only of what was read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from towpath.api.v1 import ingest_service_pb2, run_service_pb2
from towpath_service.app.wiring import Service, open_service
from towpath_service.core.errors import ServiceError
from towpath_service.core.tokens import make_consistency_token, read_consistency_token
from towpath_service.runs.application import freshness

from tests.in_process import producing
from tests.in_process.producing import creation, new_id, recording, rename, transition

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from towpath_service.database.postgres_url import PostgresUrl

TENANT = "00000000-0000-7000-8000-000000000001"
BEYOND = make_consistency_token(TENANT, "default", 10**6)
ELSEWHERE = make_consistency_token(TENANT, "other", 1)


@pytest_asyncio.fixture
async def service(database: PostgresUrl | None) -> AsyncIterator[Service]:
    async with open_service(database) as opened:
        yield opened


async def call(service: Service, name: str, request: Any) -> Any:
    endpoint = service.dispatcher.endpoint(f"towpath.api.v1.{name}")
    return await service.dispatcher.unary(endpoint, request, {})


async def record(
    service: Service, producer: str, first: int, *updates: ingest_service_pb2.Update
) -> ingest_service_pb2.UpdateAck:
    request = recording(producer, first, *updates)
    answer: ingest_service_pb2.RecordUpdatesResponse
    answer = await call(service, "IngestService/RecordUpdates", request)
    return answer.ack


async def get(service: Service, run_id: str, token: str = "") -> Any:
    request = run_service_pb2.GetRunRequest(name=name_of(run_id), consistency_token=token)
    return (await call(service, "RunService/GetRun", request)).run


async def listed(service: Service, token: str) -> list[str]:
    request = run_service_pb2.ListRunsRequest(parent=producing.WORKSPACE, consistency_token=token)
    answer = await call(service, "RunService/ListRuns", request)
    return [run.run_id for run in answer.runs]


async def delete(service: Service, run_id: str, etag: str) -> None:
    request = run_service_pb2.DeleteRunRequest(name=name_of(run_id), etag=etag)
    await call(service, "RunService/DeleteRun", request)


def name_of(run_id: str) -> str:
    return f"{producing.WORKSPACE}/runs/{run_id}"


async def test_a_read_with_an_acks_token_shows_what_was_acknowledged(service: Service) -> None:
    run, producer = new_id(), new_id()
    ack = await record(service, producer, 1, creation(run))
    assert (await get(service, run, ack.consistency_token)).run_id == run
    assert await listed(service, ack.consistency_token) == [run]


async def test_a_repeated_batch_gives_a_token_that_reads_take(service: Service) -> None:
    run, producer = new_id(), new_id()
    first = await record(service, producer, 1, creation(run))
    again = await record(service, producer, 1, creation(run))
    assert again.consistency_token == first.consistency_token


async def test_a_read_waits_for_what_its_token_covers(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, producer = new_id(), new_id()
    wait = service.bus.wait

    async def meanwhile(scope: Any, seconds: float) -> None:
        await record(service, producer, 2, transition(run))
        await wait(scope, 0)

    monkeypatch.setattr(service.bus, "wait", meanwhile)
    ack = await record(service, producer, 1, creation(run))
    position = read_consistency_token(ack.consistency_token, TENANT, "default")
    token = make_consistency_token(TENANT, "default", position + 1)
    assert (await get(service, run, token)).state == producing.COMPLETED


async def test_a_read_of_what_never_comes_is_unavailable_and_says_when_to_retry(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freshness, "WAIT_SECONDS", 0.0)
    with pytest.raises(ServiceError, match="OVERLOADED") as caught:
        await listed(service, BEYOND)
    assert caught.value.retry_after_seconds


@pytest.mark.parametrize("token", ["x", "????", "e30", ELSEWHERE])
async def test_a_token_of_nothing_or_of_elsewhere_is_refused(service: Service, token: str) -> None:
    with pytest.raises(ServiceError, match="INVALID_REQUEST") as caught:
        await listed(service, token)
    assert caught.value.violations[0].field == "consistency_token"


async def test_state_changes_leave_the_etag_alone_and_a_new_name_does_not(
    service: Service,
) -> None:
    run, producer = new_id(), new_id()
    await record(service, producer, 1, creation(run))
    before = (await get(service, run)).etag
    await record(service, producer, 2, transition(run))
    assert (await get(service, run)).etag == before != ""
    await record(service, producer, 3, rename(run, "load"))
    assert (await get(service, run)).etag != before


async def test_a_run_is_deleted_only_with_the_etag_it_has(service: Service) -> None:
    run, producer = new_id(), new_id()
    await record(service, producer, 1, creation(run))
    read = (await get(service, run)).etag
    await record(service, producer, 2, transition(run), rename(run, "load"))
    with pytest.raises(ServiceError, match="ETAG_MISMATCH") as caught:
        await delete(service, run, read)
    assert caught.value.metadata == {"resource": name_of(run)}
    await delete(service, run, (await get(service, run)).etag)
    with pytest.raises(ServiceError, match="RESOURCE_NOT_FOUND"):
        await get(service, run)
