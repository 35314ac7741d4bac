from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from towpath._delivery import messages, segments
from towpath._delivery.backlog import Backlog
from towpath._delivery.segments import SegmentWriter
from towpath._delivery.stream import PATIENCE_SECONDS, UpdateStream
from towpath.api.v1 import ingest_service_pb2 as pb
from towpath.exceptions import RpcError, ServerUnreachable

from tests.unit.sdk.delivery.fake_ingest import PRODUCER, FakeDuplex, FakeService, update

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from towpath._delivery.directives import Directive


class Producer:
    """A writer, its backlog, and the streams that deliver it to a service."""

    def __init__(self, folder: Path, service: FakeService) -> None:
        self.folder = folder
        folder.mkdir()
        self.writer = SegmentWriter(folder, "updates")
        self.backlog = Backlog(folder, self.writer)
        self.service = service
        self.directives: list[Directive] = []
        self.now = 0.0

    def report(self, count: int) -> None:
        for _ in range(count):
            self.writer.append(update(self.writer.last + 1))

    def connect(self) -> tuple[UpdateStream, FakeDuplex]:
        duplex = FakeDuplex(self.service)
        past_gap = self.backlog.past_gap
        opening = messages.stream_opening(
            self.backlog.workspace,
            PRODUCER,
            last_acked=self.backlog.first_kept - 1 if past_gap else 0,
        )
        stream = UpdateStream(
            self.backlog,
            duplex,
            opening,
            last=lambda: self.writer.last,
            on_directive=self.directives.append,
            clock=lambda: self.now,
        )
        return stream, duplex

    def deliver(self, stream: UpdateStream, duplex: FakeDuplex) -> None:
        moved = True
        while moved:
            duplex.serve()
            duplex.arrive()
            moved = stream.step()

    def rejected(self) -> list[Any]:
        path = self.folder.parent / "rejected.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def producer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Producer]:
    monkeypatch.setattr(segments, "SEGMENT_BYTES", 200)
    made = Producer(tmp_path / PRODUCER, FakeService())
    yield made
    made.writer.close()


def batches(duplex: FakeDuplex) -> list[tuple[int, int]]:
    return [(item.batch.first_sequence, len(item.batch.updates)) for item in duplex.sent[1:]]


def test_nothing_is_sent_before_the_stream_is_opened(producer: Producer) -> None:
    producer.report(3)
    stream, duplex = producer.connect()
    assert not stream.step()
    assert len(duplex.sent) == 1


def test_several_batches_fly_at_once_and_no_more_than_the_window_allows(producer: Producer) -> None:
    producer.report(50)
    stream, duplex = producer.connect()
    duplex.serve()
    duplex.arrive()
    assert stream.step()
    assert batches(duplex) == [(1, 8), (9, 8), (17, 4)]
    assert not stream.step()
    duplex.serve(1)
    duplex.arrive()
    stream.step()
    assert batches(duplex)[3:] == [(21, 8)]
    producer.deliver(stream, duplex)
    assert producer.service.applied == list(range(1, 51))
    assert producer.backlog.acked == 50


def test_a_window_of_bytes_is_kept(tmp_path: Path) -> None:
    producer = Producer(tmp_path / PRODUCER, FakeService(updates=1000, size=120, batch=100))
    producer.report(60)
    stream, duplex = producer.connect()
    duplex.serve()
    duplex.arrive()
    stream.step()
    assert 1 <= len(duplex.in_flight()[0].updates) < 60
    producer.deliver(stream, duplex)
    assert producer.service.applied == list(range(1, 61))


def test_an_update_larger_than_the_window_goes_alone(producer: Producer) -> None:
    producer.service.window.max_batch_bytes = 100
    large = pb.Update(run_id="2", amend=pb.RunAmendment(display_name="x" * 200))
    producer.report(1)
    producer.writer.append(large.SerializeToString())
    producer.report(1)
    stream, duplex = producer.connect()
    producer.deliver(stream, duplex)
    assert batches(duplex) == [(1, 1), (2, 1), (3, 1)]
    assert producer.backlog.acked == 3


def test_a_shut_window_is_waited_for_until_an_ack_opens_it(producer: Producer) -> None:
    shut = pb.SendWindow(max_inflight_updates=0, max_inflight_bytes=1000)
    allowed, producer.service.window = producer.service.window, shut
    producer.report(3)
    stream, duplex = producer.connect()
    duplex.serve()
    duplex.arrive()
    stream.step()
    assert len(duplex.sent) == 1
    assert stream.waiting
    producer.service.window = allowed
    duplex.answer(ack=pb.UpdateAck(window=allowed))
    duplex.arrive()
    stream.step()
    assert batches(duplex) == [(1, 3)]


def test_a_delay_that_the_server_asks_for_is_waited(producer: Producer) -> None:
    producer.service.window.delay.FromSeconds(2)
    producer.report(3)
    stream, duplex = producer.connect()
    duplex.serve()
    duplex.arrive()
    stream.step()
    assert len(duplex.sent) == 1
    producer.now += 2.0
    assert stream.step()
    assert batches(duplex) == [(1, 3)]


def test_rejections_are_kept_once_and_end_nothing(producer: Producer) -> None:
    producer.report(30)
    stream, duplex = producer.connect()
    producer.deliver(stream, duplex)
    assert [item["sequence"] for item in producer.rejected()] == [7, 14, 21, 28]
    assert producer.backlog.acked == 30
    duplex.fail()
    stream, duplex = producer.connect()
    producer.report(5)
    producer.deliver(stream, duplex)
    assert [item["sequence"] for item in producer.rejected()] == [7, 14, 21, 28, 35]


def test_after_a_lost_ack_the_next_stream_goes_on_at_the_servers_watermark(
    producer: Producer,
) -> None:
    producer.report(20)
    stream, duplex = producer.connect()
    duplex.serve()
    duplex.arrive()
    stream.step()
    duplex.serve(2)
    duplex.fail()
    with pytest.raises(ServerUnreachable):
        stream.step()
    assert producer.backlog.acked == 0
    stream, duplex = producer.connect()
    producer.deliver(stream, duplex)
    assert batches(duplex)[0][0] == 17
    assert producer.service.applied == list(range(1, 21))
    assert [item["sequence"] for item in producer.rejected()] == [7, 14]


def test_a_reconnect_directive_ends_the_stream_after_its_last_ack(producer: Producer) -> None:
    producer.report(5)
    stream, duplex = producer.connect()
    duplex.serve()
    duplex.arrive()
    stream.step()
    request = pb.ReconnectRequest(reason=pb.RECONNECT_REASON_ROTATION)
    request.delay.FromSeconds(3)
    duplex.answer(reconnect=request)
    duplex.arrive()
    producer.report(5)
    stream.step()
    assert duplex.half_closed
    assert not stream.ended
    duplex.serve()
    duplex.arrive()
    stream.step()
    duplex.serve()
    stream.step()
    assert stream.ended
    assert stream.pause_seconds == 3.0
    assert (producer.backlog.acked, producer.service.applied) == (5, [1, 2, 3, 4, 5])


def test_a_stream_that_ends_unasked_is_a_failure(producer: Producer) -> None:
    stream, duplex = producer.connect()
    duplex.ended = True
    with pytest.raises(ServerUnreachable):
        stream.step()


@pytest.mark.parametrize("opened", [True, False])
def test_a_server_that_is_silent_for_too_long_is_left(producer: Producer, *, opened: bool) -> None:
    producer.report(5)
    stream, duplex = producer.connect()
    if opened:
        duplex.serve()
        duplex.arrive()
        stream.step()
    producer.now += PATIENCE_SECONDS - 1
    stream.step()
    producer.now += 2
    with pytest.raises(ServerUnreachable, match="no verdict"):
        stream.step()


def test_an_idle_stream_is_left_by_nobody(producer: Producer) -> None:
    producer.report(5)
    stream, duplex = producer.connect()
    producer.deliver(stream, duplex)
    assert not stream.waiting
    producer.now += 10 * PATIENCE_SECONDS
    assert not stream.step()
    producer.report(1)
    assert stream.step()
    producer.deliver(stream, duplex)
    assert producer.backlog.acked == 6


def test_directives_are_handed_on_and_unknown_ones_are_not(producer: Producer) -> None:
    stream, duplex = producer.connect()
    duplex.serve()
    cancel = pb.RunDirective(run_id="r", kind=pb.DIRECTIVE_KIND_CANCEL, revision=3, message="why")
    cancel.grace_period.FromSeconds(5)
    duplex.answer(directive=cancel)
    unknown: Any = 99
    duplex.answer(directive=pb.RunDirective(run_id="r", kind=unknown))
    duplex.answer()
    duplex.arrive()
    stream.step()
    (directive,) = producer.directives
    assert (directive.run_id, directive.kind, directive.revision) == ("r", "cancel", 3)
    assert (directive.message, directive.grace_seconds) == ("why", 5.0)


def test_a_server_with_more_than_was_ever_reported_supersedes_this_producer(
    producer: Producer,
) -> None:
    producer.service.committed = 9
    producer.report(5)
    stream, duplex = producer.connect()
    duplex.serve()
    duplex.arrive()
    with pytest.raises(RpcError) as caught:
        stream.step()
    assert caught.value.reason == "PRODUCER_AHEAD"
    assert len(duplex.sent) == 1


def test_after_a_restored_backup_all_that_is_kept_is_sent_again(
    producer: Producer, capsys: pytest.CaptureFixture[str]
) -> None:
    producer.report(10)
    stream, duplex = producer.connect()
    producer.deliver(stream, duplex)
    producer.service.restore(6)
    producer.report(2)
    duplex.fail()
    producer.deliver(*producer.connect())
    assert producer.service.applied == list(range(1, 13))
    assert "4 of them are sent again" in capsys.readouterr().err


def test_what_a_restored_server_and_the_outbox_both_lack_is_told(
    producer: Producer, capsys: pytest.CaptureFixture[str]
) -> None:
    producer.report(100)
    producer.deliver(*producer.connect())
    kept = producer.backlog.first_kept
    assert 50 < kept <= 100
    producer.service.restore(50)
    producer.report(1)
    stream, duplex = producer.connect()
    producer.deliver(stream, duplex)
    assert duplex.half_closed
    assert producer.service.committed == 50
    producer.deliver(*producer.connect())
    assert producer.service.applied == [*range(1, 51), *range(kept, 102)]
    told = [item for item in producer.rejected() if item["reason"] == "SERVER_LOST"]
    assert [(item["sequence"], item["last_sequence"]) for item in told] == [(51, kept - 1)]
    assert f"updates 51 to {kept - 1}" in capsys.readouterr().err


def test_what_is_held_for_want_of_room_is_kept_however_long_it_takes(
    producer: Producer, capsys: pytest.CaptureFixture[str]
) -> None:
    producer.report(30)
    stream, duplex = producer.connect()
    duplex.serve(1)
    duplex.arrive()
    assert stream.step()
    shut = pb.SendWindow(held_by_quota="stored_bytes")
    for _ in range(100):
        # In the middle of a batch: what is before the first new run was taken.
        duplex.answer(ack=pb.UpdateAck(committed_sequence=3, window=shut))
        duplex.arrive()
        stream.step()
        producer.now += 20
        assert not stream.step()
    assert producer.backlog.acked == 3
    told = capsys.readouterr().err
    assert told.count("stored_bytes") == 1
    assert "nothing is lost" in told
    duplex.answer(ack=pb.UpdateAck(committed_sequence=3, window=producer.service.window))
    duplex.arrive()
    producer.deliver(stream, duplex)
    assert producer.service.applied == list(range(1, 31))
    assert producer.backlog.acked == 30


def test_a_stream_that_ends_while_updates_are_held_goes_on_from_there(producer: Producer) -> None:
    producer.report(30)
    stream, duplex = producer.connect()
    duplex.serve(1)
    duplex.arrive()
    stream.step()
    duplex.answer(ack=pb.UpdateAck(window=pb.SendWindow(held_by_quota="stored_bytes")))
    duplex.arrive()
    stream.step()
    duplex.fail()
    with pytest.raises(ServerUnreachable):
        stream.step()
    producer.deliver(*producer.connect())
    assert producer.service.applied == list(range(1, 31))
