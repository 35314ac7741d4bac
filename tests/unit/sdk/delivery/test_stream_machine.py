"""Any order of reports, losses and restarts: every update takes effect once and in order."""

from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from towpath._delivery import segments
from towpath._delivery.drain import Drain
from towpath.exceptions import RpcError, ServerUnreachable

from tests.budgets import examples
from tests.unit.sdk.delivery.fake_ingest import (
    PRODUCER,
    FakeDuplex,
    FakeService,
    FakeUnaryTransport,
)
from tests.unit.sdk.delivery.test_stream import Producer


class StreamMachine(RuleBasedStateMachine):
    """One producer, one service, and what lies between."""

    def __init__(self) -> None:
        super().__init__()
        self.segment_bytes = segments.SEGMENT_BYTES
        self.folder = tempfile.TemporaryDirectory()
        self.restored = False
        self.duplex: FakeDuplex | None = None

    @initialize(window=st.integers(1, 40), batch=st.integers(1, 10), segment=st.integers(60, 400))
    def begin(self, window: int, batch: int, segment: int) -> None:
        segments.SEGMENT_BYTES = segment  # type: ignore[misc]
        self.service = FakeService(updates=window, batch=batch)
        self.producer = Producer(Path(self.folder.name) / PRODUCER, self.service)
        self.connect()

    def connect(self) -> None:
        self.stream, self.duplex = self.producer.connect()

    @rule(count=st.integers(1, 30))
    def report(self, count: int) -> None:
        self.producer.report(count)

    @rule()
    def step(self) -> None:
        try:
            self.stream.step()
        except RpcError:
            self.connect()
        if self.stream.ended:
            self.connect()

    @rule(most=st.integers(1, 5))
    def serve(self, most: int) -> None:
        assert self.duplex is not None
        self.duplex.serve(most)

    @rule(most=st.integers(1, 5))
    def arrive(self, most: int) -> None:
        assert self.duplex is not None
        self.duplex.arrive(most)

    @rule()
    def lose_the_connection(self) -> None:
        assert self.duplex is not None
        self.duplex.fail()

    @rule()
    def ask_to_reconnect(self) -> None:
        assert self.duplex is not None
        if len(self.duplex.sent) > 1:
            self.duplex.answer(reconnect={})

    @precondition(lambda self: self.duplex is not None)
    @rule(data=st.data())
    def restart_from_a_backup(self, data: st.DataObject) -> None:
        assert self.duplex is not None
        self.restored = True
        self.service.restore(data.draw(st.integers(0, self.service.committed)))
        self.duplex.fail()
        self.connect()

    @rule(lost=st.lists(st.booleans(), max_size=5))
    def deliver_as_another_process_would(self, lost: list[bool]) -> None:
        assert self.duplex is not None
        drain = Drain(self.producer.folder)
        answers = iter(lost)
        transport = FakeUnaryTransport(self.service, lambda: next(answers, False))
        moved = True
        while moved:
            with contextlib.suppress(ServerUnreachable):
                moved = drain.deliver(transport)

    def teardown(self) -> None:
        bytes_before, segments.SEGMENT_BYTES = self.segment_bytes, 100_000  # type: ignore[misc]
        try:
            if self.duplex is not None:
                self.finish()
        finally:
            segments.SEGMENT_BYTES = bytes_before  # type: ignore[misc]
            self.folder.cleanup()

    def finish(self) -> None:
        for _ in range(2):
            self.connect()
            self.producer.deliver(self.stream, self.duplex)  # type: ignore[arg-type]
        last = self.producer.writer.last
        self.producer.writer.close()
        assert self.producer.backlog.acked == last
        path = self.producer.folder.parent / "rejected.jsonl"
        told = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        lost = {
            number
            for item in told
            if item["reason"] == "SERVER_LOST"
            for number in range(item["sequence"], item["last_sequence"] + 1)
        }
        assert not lost or max(lost) < self.producer.backlog.first_kept
        assert bool(lost) <= self.restored
        assert self.service.applied == sorted(set(self.service.applied))
        assert set(self.service.applied) | lost == set(range(1, last + 1))
        refused = {item["sequence"] for item in told if item["reason"] == "RUN_UNKNOWN"}
        assert refused | lost >= {number for number in range(1, last + 1) if number % 7 == 0}


StreamMachine.TestCase.settings = settings(
    max_examples=examples(120), stateful_step_count=40, deadline=None
)
TestStreamMachine = StreamMachine.TestCase
