"""The service inside another process: the same answers, no ports, nothing left behind."""

from __future__ import annotations

import os
import sqlite3
import threading
from typing import TYPE_CHECKING, Any

import pytest
from towpath.api.v1 import ingest_service_pb2, run_pb2, run_service_pb2, state_pb2
from towpath.exceptions import Conflict, InvalidRequest, NotFound, RpcError, ServerUnreachable
from towpath_service.app.in_process import InProcessTransport
from towpath_service.embedded import open_embedded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from towpath._transport.base import Transport

LIST = "towpath.api.v1.RunService/ListRuns"
GET = "towpath.api.v1.RunService/GetRun"
WATCH = "towpath.api.v1.RunService/WatchRuns"
STREAM = "towpath.api.v1.IngestService/StreamUpdates"
WORKSPACE = "workspaces/default"
PRODUCER = "01978d2a-7c1e-7aaa-8bbb-0123456789ab"
RUN = "01978d2a-7c1e-7aaa-8bbb-00000000000a"
LIST_REQUEST = run_service_pb2.ListRunsRequest(parent=WORKSPACE)
WATCH_REQUEST = run_service_pb2.WatchRunsRequest(parent=WORKSPACE)


@pytest.fixture
def transport(tmp_path: Path) -> Iterator[Transport]:
    opened = open_embedded(tmp_path, in_memory=True)
    yield opened
    opened.close()


def frames(*sequences: int) -> Iterator[bytes]:
    opening = ingest_service_pb2.OpenStream(workspace=WORKSPACE, producer_id=PRODUCER)
    yield ingest_service_pb2.StreamUpdatesRequest(open=opening).SerializeToString()
    for sequence in sequences:
        update = ingest_service_pb2.Update(run_id=RUN)
        update.occur_time.GetCurrentTime()
        update.create.kind = run_pb2.RUN_KIND_FLOW
        update.create.flow_id = "etl"
        update.create.initial.state = state_pb2.RUN_STATE_RUNNING
        batch = ingest_service_pb2.UpdateBatch(first_sequence=sequence, updates=[update])
        yield ingest_service_pb2.StreamUpdatesRequest(batch=batch).SerializeToString()


def report(transport: Transport) -> list[Any]:
    return list(transport.bidi_stream(STREAM, frames(1)))


def test_what_is_reported_can_be_read(transport: Transport) -> None:
    opened, acked = report(transport)
    assert opened.opened.committed_sequence == 0
    assert acked.ack.committed_sequence == 1
    answer: Any = transport.unary(LIST, LIST_REQUEST)
    assert [run.run_id for run in answer.runs] == [RUN]


def test_a_watch_sees_what_is_reported_meanwhile(transport: Transport) -> None:
    watch: Any = transport.server_stream(WATCH, WATCH_REQUEST)
    assert next(watch).synced
    report(transport)
    assert [event.run.run_id for event in next(watch).events] == [RUN]
    watch.close()


def test_without_identity_there_is_one_workspace(transport: Transport) -> None:
    with pytest.raises(NotFound, match="default is the only workspace") as missing:
        transport.unary(LIST, run_service_pb2.ListRunsRequest(parent="workspaces/typo"))
    assert missing.value.metadata == {"resource": "workspaces/typo"}
    request = ingest_service_pb2.RecordUpdatesRequest(
        workspace="workspaces/typo", producer_id=PRODUCER, batch={"first_sequence": 1}
    )
    with pytest.raises(NotFound, match="workspaces/typo was not found"):
        transport.unary("towpath.api.v1.IngestService/RecordUpdates", request)


def test_errors_are_the_ones_of_any_transport(transport: Transport) -> None:
    name = f"{WORKSPACE}/runs/{RUN}"
    with pytest.raises(NotFound) as missing:
        transport.unary(GET, run_service_pb2.GetRunRequest(name=name))
    assert (missing.value.code, missing.value.reason) == ("NOT_FOUND", "RESOURCE_NOT_FOUND")
    with pytest.raises(InvalidRequest):
        transport.unary(GET, run_service_pb2.GetRunRequest(name="nonsense"))
    request = run_service_pb2.WatchRunsRequest(parent="nonsense")
    with pytest.raises(InvalidRequest):
        next(transport.server_stream(WATCH, request))
    with pytest.raises(InvalidRequest) as broken:
        list(transport.bidi_stream(STREAM, iter([b"\xff"])))
    assert broken.value.reason == "INVALID_REQUEST"
    with pytest.raises(RpcError):
        transport.unary("towpath.api.v1.RunService/Nope", LIST_REQUEST)


def test_a_stream_that_takes_too_long_ends_by_its_deadline(transport: Transport) -> None:
    watch = transport.server_stream(WATCH, WATCH_REQUEST, timeout_seconds=0.05)
    with pytest.raises(RpcError) as raised:
        list(watch)
    assert raised.value.code == "DEADLINE_EXCEEDED"


def test_requests_that_never_come_keep_nothing_from_closing(transport: Transport) -> None:
    asked = threading.Event()
    release = threading.Event()

    def requests() -> Iterator[bytes]:
        yield from frames()
        asked.set()
        release.wait(30)

    stream = transport.bidi_stream(STREAM, requests())
    next(stream)
    assert asked.wait(30)
    transport.close()
    release.set()
    with pytest.raises(ServerUnreachable):
        next(stream)


def test_closing_ends_waiting_calls_and_refuses_new_ones(transport: Transport) -> None:
    watch = transport.server_stream(WATCH, WATCH_REQUEST)
    next(watch)
    outcome: list[BaseException] = []

    def wait() -> None:
        try:
            next(watch)
        except RpcError as error:
            outcome.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    transport.close()
    waiting.join(30)
    assert [type(error) for error in outcome] == [ServerUnreachable]
    with pytest.raises(ServerUnreachable):
        transport.unary(LIST, LIST_REQUEST)
    transport.close()


def test_closing_leaves_no_thread_behind(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    opened = open_embedded(tmp_path)
    report(opened)
    opened.close()
    assert set(threading.enumerate()) <= before


def test_what_was_acknowledged_is_in_the_file(tmp_path: Path) -> None:
    opened = open_embedded(tmp_path)
    report(opened)
    opened.close()
    again = open_embedded(tmp_path)
    answer: Any = again.unary(LIST, LIST_REQUEST)
    again.close()
    assert [run.run_id for run in answer.runs] == [RUN]


def test_two_may_be_open_on_one_file(tmp_path: Path) -> None:
    one, other = open_embedded(tmp_path), open_embedded(tmp_path)
    report(one)
    answer: Any = other.unary(LIST, LIST_REQUEST)
    assert [run.run_id for run in answer.runs] == [RUN]
    one.close()
    other.close()


def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    open_embedded(tmp_path).close()
    with sqlite3.connect(tmp_path / "towpath.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.execute("UPDATE schema_info SET oldest_service = '9998'")
    connection.close()
    before = set(threading.enumerate())
    with pytest.raises(Conflict, match="newer Towpath") as raised:
        open_embedded(tmp_path)
    assert raised.value.reason == "DATABASE_TOO_NEW"
    assert set(threading.enumerate()) <= before


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "towpath.db").write_bytes(b"no database " * 100)
    with pytest.raises(Conflict, match="can't open the database") as raised:
        open_embedded(tmp_path)
    assert raised.value.reason == "DATABASE_UNUSABLE"


def test_a_forked_child_is_told_to_open_its_own(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = os.getpid()
    with monkeypatch.context() as forked:
        forked.setattr(os, "getpid", lambda: own + 1)
        with pytest.raises(ServerUnreachable, match="open it again"):
            transport.unary(LIST, LIST_REQUEST)
        assert isinstance(transport, InProcessTransport)
    transport.unary(LIST, LIST_REQUEST)
