from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from towpath.api.v1 import log_service_pb2, run_pb2, run_service_pb2, state_pb2
from towpath.client import Client
from towpath.exceptions import RpcError, ServerUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from google.protobuf.message import Message

RUN_ID = "01a208de-61b7-71d9-86a7-8f73e5dc3bdb"


@dataclass
class ScriptedTransport:
    """Answers streams and calls in the order given, and keeps the requests."""

    streams: deque[Sequence[Message | RpcError]] = field(default_factory=deque)
    states: deque[int] = field(default_factory=deque)
    requests: list[Any] = field(default_factory=list)
    address: str = "scripted"

    def unary(self, method: str, request: Message, *, timeout_seconds: float = 10.0) -> Message:
        assert method.endswith("/GetRun")
        state: Any = self.states.popleft()
        return run_service_pb2.GetRunResponse(run=run_pb2.Run(run_id=RUN_ID, state=state))

    def server_stream(
        self, method: str, request: Message, *, timeout_seconds: float | None = None
    ) -> Iterator[Message]:
        copy = type(request)()
        copy.CopyFrom(request)
        self.requests.append(copy)
        if not self.streams:
            raise ServerUnreachable("gone", code="UNAVAILABLE")
        for message in self.streams.popleft():
            if isinstance(message, RpcError):
                raise message
            yield message

    def bidi_stream(self, method: str, requests: Iterator[bytes]) -> Iterator[Message]:
        raise NotImplementedError

    def close(self) -> None:
        pass


def changed(revision: int, token: str) -> run_service_pb2.WatchRunsResponse:
    run = run_pb2.Run(run_id=RUN_ID, revision=revision, state=state_pb2.RUN_STATE_RUNNING)
    event = run_service_pb2.RunEvent(kind=run_service_pb2.RUN_EVENT_KIND_MODIFIED, run=run)
    return run_service_pb2.WatchRunsResponse(events=[event], resume_token=token)


def said(body: str, token: str) -> log_service_pb2.TailLogsResponse:
    record = log_service_pb2.LogRecord(run_id=RUN_ID, body=body, severity=9)  # type: ignore[arg-type]
    return log_service_pb2.TailLogsResponse(records=[record], resume_token=token)


def test_a_watch_that_the_server_ends_goes_on_from_its_last_token() -> None:
    heartbeat = run_service_pb2.WatchRunsResponse(resume_token="t2")
    transport = ScriptedTransport(
        streams=deque([[changed(1, "t1"), heartbeat], [], [changed(2, "t3")]])
    )
    events = itertools.islice(Client(transport).watch_runs("kind = flow"), 2)
    assert [event.run.revision for event in events if event.run is not None] == [1, 2]
    assert [request.resume_token for request in transport.requests] == ["", "t2", "t2"]
    assert {request.filter for request in transport.requests} == {"kind = flow"}


SLOW = RpcError("read faster", code="RESOURCE_EXHAUSTED", reason="SLOW_CONSUMER")


def test_a_watch_that_is_read_too_slowly_goes_on_from_its_last_token() -> None:
    transport = ScriptedTransport(streams=deque([[changed(1, "t1"), SLOW], [changed(2, "t2")]]))
    events = itertools.islice(Client(transport).watch_runs(), 2)
    assert [event.run.revision for event in events if event.run is not None] == [1, 2]
    assert [request.resume_token for request in transport.requests] == ["", "t1"]


def test_a_tail_of_an_ended_run_that_is_read_too_slowly_loses_nothing() -> None:
    transport = ScriptedTransport(
        streams=deque([[said("one", "t1"), SLOW], [said("two", "t2")]]),
        states=deque([int(state_pb2.RUN_STATE_COMPLETED)]),
    )
    assert [line.body for line in Client(transport).tail(RUN_ID)] == ["one", "two"]


def test_a_watch_whose_server_goes_away_says_so() -> None:
    transport = ScriptedTransport(streams=deque([[changed(1, "t1")]]))
    events = Client(transport).watch_runs()
    next(events)
    with pytest.raises(ServerUnreachable):
        next(events)


def test_a_tail_goes_on_until_a_stream_begun_after_the_runs_end_has_ended() -> None:
    running, completed = state_pb2.RUN_STATE_RUNNING, state_pb2.RUN_STATE_COMPLETED
    transport = ScriptedTransport(
        streams=deque([[said("one", "t1")], [said("two", "t2")], [said("three", "t3")]]),
        states=deque([running, running, completed]),
    )
    assert [line.body for line in Client(transport).tail(RUN_ID)] == ["one", "two", "three"]
    assert [request.resume_token for request in transport.requests] == ["", "t1", "t2"]
