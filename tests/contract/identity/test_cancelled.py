"""A call that its caller gives up has done nothing, or the audit log tells of it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from towpath.api.v1 import access_service_pb2, auth_service_pb2, ingest_service_pb2, run_service_pb2
from towpath_service.app.identity.bootstrap import enable_identity
from towpath_service.app.wiring import open_service

from tests.in_process.edges import open_edge
from tests.in_process.place import API, OPTIONS, SEALING, Place, open_place
from tests.in_process.producing import creation, recording, transition

if TYPE_CHECKING:
    from pathlib import Path

    import grpc
    from towpath_service.database.postgres_url import PostgresUrl

DELAYS_SECONDS = [0.0005 * step for step in range(1, 25)]
PATIENCE_SECONDS = 20.0


class Caller:
    """The first owner, over gRPC."""

    def __init__(self, channel: grpc.Channel, api_key: str) -> None:
        self._channel = channel
        self._bearer: tuple[tuple[str, str], ...] = ()
        request = auth_service_pb2.ExchangeTokenRequest(api_key=api_key)
        answer = auth_service_pb2.ExchangeTokenResponse.FromString(
            self.begin("AuthService/ExchangeToken", request).result()
        )
        self._bearer = (("authorization", f"Bearer {answer.access_token}"),)

    def begin(self, method: str, request: Any) -> Any:
        """Begins a call."""
        multi = self._channel.unary_unary(f"/{API}.{method}")
        return multi.future(request.SerializeToString(), metadata=self._bearer, timeout=20)

    def ended_run(self) -> str:
        """Reports a run from its beginning to its end."""
        run_id = str(uuid4())
        request = recording(str(uuid4()), 1, creation(run_id), transition(run_id))
        answer = ingest_service_pb2.RecordUpdatesResponse.FromString(
            self.begin("IngestService/RecordUpdates", request).result()
        )
        assert not answer.ack.rejections
        return f"workspaces/default/runs/{run_id}"

    def is_told_of(self, run: str) -> bool:
        """Whether the audit log names a run."""
        request = access_service_pb2.ListAuditEntriesRequest(page_size=1000)
        log = access_service_pb2.ListAuditEntriesResponse.FromString(
            self.begin("AccessService/ListAuditEntries", request).result()
        )
        return any(entry.resource == run for entry in log.audit_entries)

    def runs(self) -> set[str]:
        """The runs that are there."""
        request = run_service_pb2.ListRunsRequest(parent="workspaces/default", page_size=1000)
        answer = run_service_pb2.ListRunsResponse.FromString(
            self.begin("RunService/ListRuns", request).result()
        )
        return {run.name for run in answer.runs}


def test_a_deletion_cancelled_over_grpc_is_told_of_or_did_nothing(
    either: Path | PostgresUrl,
) -> None:
    made = asyncio.run(enable_identity(either, SEALING, "owner@example.org"))
    assert made is not None
    with open_edge(either, OPTIONS, SEALING) as edge, edge.channel() as channel:
        caller = Caller(channel, made.api_key)
        runs = [caller.ended_run() for _ in DELAYS_SECONDS]
        for run, delay in zip(runs, DELAYS_SECONDS, strict=True):
            request = run_service_pb2.DeleteRunRequest(name=run)
            call = caller.begin("RunService/DeleteRun", request)
            time.sleep(delay)
            call.cancel()
        for run in set(runs) - caller.runs():
            until = time.monotonic() + PATIENCE_SECONDS
            while not caller.is_told_of(run):
                assert time.monotonic() < until, f"{run} is gone, and nobody told"


class SlowDeletion:
    """A deletion that is done, and not answered until it may go on."""

    def __init__(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done, self.may_go_on = asyncio.Event(), asyncio.Event()
        self._place = place
        endpoint = place.endpoint("RunService/DeleteRun")
        self._delete = endpoint.call
        endpoints: Any = place.service.dispatcher.endpoints
        monkeypatch.setitem(endpoints, endpoint.name, replace(endpoint, call=self._call))

    async def _call(self, request: Any, caller: Any) -> Any:
        answer = await self._delete(request, caller)
        self.done.set()
        await self.may_go_on.wait()
        return answer

    async def give_up(self, run: str) -> None:
        """Has a run deleted, and doesn't wait for the answer."""
        call = asyncio.create_task(
            self._place.call(self._place.owner, "RunService/DeleteRun", name=run)
        )
        await self.done.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        self.may_go_on.set()


async def ended_run(place: Place) -> str:
    """Reports a run from its beginning to its end."""
    run_id = await place.run(place.owner)
    request = recording(str(uuid4()), 1, transition(run_id))
    answer = await place.raw(place.owner, "IngestService/RecordUpdates", request)
    assert not answer.ack.rejections
    return f"workspaces/default/runs/{run_id}"


async def told(place: Place) -> list[tuple[str, str]]:
    answer = await place.call(place.owner, "AccessService/ListAuditEntries", page_size=1000)
    return [(entry.resource, entry.outcome) for entry in answer.audit_entries]


async def test_a_call_given_up_in_the_middle_is_told_of_once_it_ends(
    small: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await ended_run(small)
    await SlowDeletion(small, monkeypatch).give_up(run)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (run, "OK") not in await told(small):
            pass


async def test_a_service_that_ends_waits_for_what_is_to_be_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = tmp_path / "towpath.db"
    async with open_place(database) as place:
        run, key = await ended_run(place), place.owner_key
        await SlowDeletion(place, monkeypatch).give_up(run)
    async with open_service(database, identity=OPTIONS, sealing=SEALING) as service:
        after = Place(service, key)
        after.owner = await after.token(key)
        assert (run, "OK") in await told(after)
