"""The timeline of a run comes as columns, the same from each database."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from towpath._state_type import StateType
from towpath.api.v1 import run_timeline_pb2
from towpath.exceptions import NotFound
from towpath_service.runs.rpc import convert_timeline

if TYPE_CHECKING:
    from towpath._transport.base import Transport
    from towpath.client import Client

    from tests.contract.client.filling import WORKSPACE, Producer
else:
    from tests.contract.client.filling import WORKSPACE

METHOD = "towpath.api.v1.RunService/StreamRunTimeline"
COMPLETED, FAILED, RUNNING, RETRYING = 7, 8, 3, 5
UNKNOWN_RUN = "01a208de-61b7-71d9-86a7-8f73e5dc3bdb"


def timeline(transport: Transport, run_id: str, most: int = 0) -> list[Any]:
    request = run_timeline_pb2.StreamRunTimelineRequest(
        name=f"{WORKSPACE}/runs/{run_id}", max_runs=most
    )
    return list(transport.server_stream(METHOD, request))


def ids(message: Any) -> list[str]:
    cut = range(0, len(message.run_ids), 16)
    return [str(UUID(bytes=message.run_ids[start : start + 16])) for start in cut]


def test_runs_come_below_their_callers_with_their_states_and_times(
    transport: Transport, producer: Producer
) -> None:
    top = producer.run("nightly", StateType.RUNNING)
    load = producer.run("load", kind="task", parent=top)
    called = producer.run("part", StateType.RUNNING, parent=top)
    inner = producer.run("load", StateType.FAILED, kind="task", parent=called)
    [message] = timeline(transport, top)
    assert ids(message) == [load, called, inner]
    assert list(message.display_names) == ["load", "part", "load"]
    assert list(message.group_names) == ["load", "nightly_etl"]
    assert list(message.groups) == [0, 1, 0]
    assert list(message.kinds) == [2, 1, 2]
    assert list(message.states) == [COMPLETED, RUNNING, FAILED]
    assert list(message.revisions) == [2, 1, 2]
    assert list(message.attempts) == [1, 1, 1]
    assert list(message.parent_rows) == [-1, -1, 1]
    assert list(message.upstream_counts) == [0, 0, 0]
    assert [math.isnan(time) for time in message.end_times] == [False, True, False]
    for created, began in zip(message.create_times, message.start_times, strict=True):
        assert 0 <= created <= began < 60_000
    assert not message.truncated
    assert message.resume_token


def test_a_run_below_has_a_timeline_of_its_own(transport: Transport, producer: Producer) -> None:
    top = producer.run("nightly", StateType.RUNNING)
    called = producer.run("part", StateType.RUNNING, parent=top)
    inner = producer.run("load", kind="task", parent=called)
    [message] = timeline(transport, called)
    assert ids(message) == [inner]
    assert list(message.parent_rows) == [-1]


def test_a_run_without_others_below_is_one_empty_message(
    transport: Transport, producer: Producer
) -> None:
    [message] = timeline(transport, producer.run("nightly"))
    assert message.run_ids == b""
    assert message.resume_token
    assert message.base_time.seconds > 1_700_000_000


def test_the_limit_counts_the_runs_below_only(transport: Transport, producer: Producer) -> None:
    top = producer.run("nightly", StateType.RUNNING)
    children = [producer.run(f"load-{n}", kind="task", parent=top) for n in range(3)]
    [exact] = timeline(transport, top, most=3)
    assert (ids(exact), exact.truncated) == (children, False)
    [fewer] = timeline(transport, top, most=2)
    assert (ids(fewer), fewer.truncated) == (children[:2], True)


def test_long_timelines_come_in_chunks_whose_rows_go_on(
    transport: Transport, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convert_timeline, "CHUNK_RUNS", 2)
    top = producer.run("nightly", StateType.RUNNING)
    children = [producer.run(f"load-{n}", StateType.RUNNING, parent=top) for n in range(2)]
    inner = producer.run("inner", kind="task", parent=children[1])
    first, second = timeline(transport, top)
    assert (ids(first), ids(second)) == (children, [inner])
    assert list(second.parent_rows) == [1]
    assert (list(first.group_names), list(second.group_names)) == (["nightly_etl"], ["inner"])
    assert list(second.groups) == [1]
    assert (first.resume_token, bool(second.resume_token)) == ("", True)
    assert first.base_time == second.base_time


def test_attempts_are_told_of_runs_that_were_tried_again(
    transport: Transport, producer: Producer
) -> None:
    top = producer.run("nightly", StateType.RUNNING)
    producer.run("calm", kind="task", parent=top)
    shaky = producer.run("shaky", StateType.RUNNING, kind="task", parent=top)
    producer.retry(shaky)
    producer.end(shaky, StateType.COMPLETED, attempt=2)
    [message] = timeline(transport, top)
    assert list(message.attempts) == [1, 2]
    assert list(message.change_rows) == [1, 1, 1, 1]
    assert list(message.change_states) == [RUNNING, RETRYING, RUNNING, COMPLETED]
    assert list(message.change_times) == sorted(message.change_times)
    assert message.change_times[-1] == message.end_times[1]


def test_upstream_runs_are_rows(transport: Transport, producer: Producer, client: Client) -> None:
    top = producer.run("nightly", StateType.RUNNING)
    first = producer.run("extract", kind="task", parent=top)
    second = producer.run("other", kind="task", parent=top)
    last = producer.run("load", kind="task", parent=top, upstream=[first, second, UNKNOWN_RUN])
    assert client.run(last).id == last
    [message] = timeline(transport, top)
    assert list(message.upstream_counts) == [0, 0, 2]
    assert list(message.upstream_rows) == [0, 1]


def test_no_run_is_not_found(transport: Transport) -> None:
    with pytest.raises(NotFound):
        timeline(transport, UNKNOWN_RUN)
