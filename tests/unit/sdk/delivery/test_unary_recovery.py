from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from towpath._delivery import messages, segments
from towpath._delivery.drain import Drain
from towpath._delivery.outbox import AFTER
from towpath._delivery.reports import LogReport
from towpath._delivery.segments import SegmentWriter
from towpath.exceptions import RpcError

from tests.unit.sdk.delivery.fake_ingest import PRODUCER, FakeService, FakeUnaryTransport, update

if TYPE_CHECKING:
    from pathlib import Path


def deliver(drain: Drain, transport: FakeUnaryTransport) -> None:
    while drain.deliver(transport):
        pass


@pytest.fixture
def writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SegmentWriter:
    monkeypatch.setattr(segments, "SEGMENT_BYTES", 200)
    (tmp_path / PRODUCER).mkdir()
    made = SegmentWriter(tmp_path / PRODUCER, "updates")
    for number in range(1, 101):
        made.append(update(number))
    return made


def test_after_a_restored_backup_the_unary_call_resends_and_tells_what_is_lost(
    tmp_path: Path, writer: SegmentWriter
) -> None:
    service = FakeService()
    transport = FakeUnaryTransport(service)
    drain = Drain(tmp_path / PRODUCER, updates=writer)
    deliver(drain, transport)
    kept = drain.backlog.first_kept
    service.restore(50)
    writer.append(update(101))
    deliver(drain, transport)
    assert drain.acked == 101
    assert service.applied == [*range(1, 51), *range(kept, 102)]
    lines = (tmp_path / "rejected.jsonl").read_text().splitlines()
    lost = [item for item in map(json.loads, lines) if item["reason"] == "SERVER_LOST"]
    assert [(item["sequence"], item["last_sequence"]) for item in lost] == [(51, kept - 1)]


def test_whoever_takes_an_outbox_over_recovers_as_its_owner_would(
    tmp_path: Path, writer: SegmentWriter
) -> None:
    service = FakeService()
    owner = Drain(tmp_path / PRODUCER, updates=writer)
    deliver(owner, FakeUnaryTransport(service))
    kept = owner.backlog.first_kept
    service.restore(20)
    taker = Drain(tmp_path / PRODUCER)
    deliver(taker, FakeUnaryTransport(service))
    assert service.applied == [*range(1, 21), *range(kept, 101)]
    assert taker.acked == 100


def test_a_server_that_sees_a_gap_for_ever_is_not_asked_for_ever(
    tmp_path: Path, writer: SegmentWriter
) -> None:
    service = FakeService()
    drain = Drain(tmp_path / PRODUCER, updates=writer)
    deliver(drain, FakeUnaryTransport(service))
    service.restore(0)
    service.adopt = lambda _: None  # type: ignore[method-assign] - an older server doesn't
    writer.append(update(101))
    with pytest.raises(RpcError, match="a gap"):
        deliver(drain, FakeUnaryTransport(service))


def test_log_lines_follow_their_updates_again_after_a_restored_backup(
    tmp_path: Path, writer: SegmentWriter
) -> None:
    logs = SegmentWriter(tmp_path / PRODUCER, "logs")
    for number in range(1, 4):
        line = LogReport(run_id="r", time=1.0, severity=9, logger="l", body="b", attempt=1)
        logs.append(AFTER.pack(100) + messages.log_record(line, number))
    service = FakeService()
    transport = FakeUnaryTransport(service)
    drain = Drain(tmp_path / PRODUCER, updates=writer, logs=logs)
    deliver(drain, transport)
    service.restore(99)
    writer.append(update(101))
    deliver(drain, transport)
    assert transport.log_lines == [1, 2, 3, 1, 2, 3]
    assert drain.acked_logs == 3
