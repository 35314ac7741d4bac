"""The end of a process, where Python starts no thread from 3.12 on."""

from __future__ import annotations

import gc
import threading
from typing import TYPE_CHECKING, Any

import pytest
from grpc._cython import cygrpc
from towpath import _threads
from towpath._delivery import sender
from towpath._delivery.backlog import Backlog
from towpath._delivery.couriers import UnaryCourier
from towpath._delivery.directives import ignore_directive
from towpath._delivery.outbox import Outbox
from towpath._delivery.reports import StateReport
from towpath._delivery.sender import Sender
from towpath._delivery.stream import STREAM_UPDATES
from towpath._state_type import StateType
from towpath._telemetry.shutdown import Ending
from towpath._transport import opening
from towpath._transport.grpc import GrpcTransport
from towpath.api.v1 import run_service_pb2
from towpath.exceptions import RpcError
from towpath.settings import Settings

from tests.budgets import patience
from tests.unit.sdk.delivery.fake_ingest import FakeService, FakeUnaryTransport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ADDRESS = "192.0.2.1:4200"
REFUSAL = "can't create new thread at interpreter shutdown"


def begun_updates(transport: GrpcTransport) -> object:
    return transport.bidi_stream(STREAM_UPDATES, iter([b""]))


def begun_watch(transport: GrpcTransport) -> object:
    watch = "towpath.api.v1.RunService/WatchRuns"
    return next(transport.server_stream(watch, run_service_pb2.WatchRunsRequest()))


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    made = Outbox(tmp_path, target=ADDRESS, workspace="default")
    yield made
    made.close(remove=True)


def test_what_a_stream_can_not_take_at_the_end_goes_by_unary_calls(
    outbox: Outbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = FakeService()
    tried = threading.Event()

    def refuse(*_: object) -> Any:
        tried.set()
        raise RuntimeError(REFUSAL)

    def open_grpc(*_: object) -> FakeUnaryTransport:
        return FakeUnaryTransport(service)

    monkeypatch.setattr(opening, "open_grpc", open_grpc)
    monkeypatch.setattr(sender, "StreamCourier", refuse)
    settings = Settings(home=tmp_path, server_address=ADDRESS)
    delivering = Sender(settings, outbox, forked=False, on_directive=ignore_directive)
    try:
        outbox.transition("1", StateReport(state=StateType.RUNNING, time=1.0, attempt=1))
        assert delivering.flush(30.0)
        assert tried.is_set()
        assert service.applied == [1]
    finally:
        delivering.stop()


@pytest.mark.parametrize("begin", [begun_updates, begun_watch])
def test_a_stream_without_a_thread_does_not_hold_up_the_close_of_its_transport(
    begin: Callable[[GrpcTransport], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Late:
        def __init__(self, target: Callable[[], object]) -> None:
            """Takes what a thread of gRPC takes."""

        def setDaemon(self, daemon: bool) -> None:  # noqa: N802 - as gRPC calls it
            """Does nothing."""

        def start(self) -> None:
            raise RuntimeError(REFUSAL)

    transport = GrpcTransport("127.0.0.1:1")
    with monkeypatch.context() as patched:
        patched.setattr(cygrpc, "ForkManagedThread", Late)
        with pytest.raises(RuntimeError, match=REFUSAL):
            begin(transport)
    held = [transport]
    del transport

    def close() -> None:
        held.pop().close()
        gc.collect()

    closing = threading.Thread(target=close, daemon=True)
    closing.start()
    closing.join(patience(30.0))
    assert not closing.is_alive()


def test_another_error_of_threads_is_raised() -> None:
    class Broken(threading.Thread):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    with pytest.raises(RuntimeError, match="can't start new thread"):
        _threads.start(Broken())


def test_a_thread_that_can_not_start_at_the_end_is_no_error() -> None:
    class Late(threading.Thread):
        def start(self) -> None:
            raise RuntimeError(REFUSAL)

    assert not _threads.start(Late())


def test_a_limit_that_holds_unary_calls_up_is_told_once(
    outbox: Outbox, capfd: pytest.CaptureFixture[str]
) -> None:
    class Full:
        def __init__(self, outbox: Outbox) -> None:
            self.backlog = Backlog(outbox.folder, outbox.updates, workspace="default")

        def deliver(self, _: object) -> bool:
            raise RpcError("full", code="RESOURCE_EXHAUSTED", metadata={"quota": "stored_bytes"})

    drain: Any = Full(outbox)
    courier = UnaryCourier(drain, FakeUnaryTransport(FakeService()))
    for _ in range(2):
        with pytest.raises(RpcError):
            courier.step()
    assert capfd.readouterr().err.count("the tenant has reached its limit of stored_bytes") == 1


def test_a_provider_is_ended_once_by_a_thread_that_was_there_before() -> None:
    calls: list[str] = []
    ending = Ending(lambda: calls.append(threading.current_thread().name))
    assert ending.within(30.0)
    assert ending.within(30.0)
    assert calls == ["towpath-telemetry-end"]


def test_a_provider_that_takes_too_long_is_left() -> None:
    never = threading.Event()
    ending = Ending(never.wait)
    assert not ending.within(0.0)
    never.set()
    assert ending.within(30.0)
