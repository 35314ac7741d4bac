"""Updates that are malformed, oversized, out of order, repeated or missing, by either way in.

Each gets a typed answer, and what was right with them is kept: nothing is lost, nothing twice.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from towpath.api.v1 import (
    ingest_service_pb2 as pb,
)
from towpath.api.v1 import (
    ingest_service_pb2_grpc,
    log_service_pb2,
    log_service_pb2_grpc,
    run_pb2,
    run_service_pb2,
    run_service_pb2_grpc,
)
from towpath_service.rpc.endpoints import MAX_MESSAGE_BYTES
from towpath_service.runs.rpc.convert_updates import MAX_INLINE_BYTES
from towpath_service.runs.rpc.update_streams import BATCH_UPDATES, LAST_SEQUENCE, WINDOW_UPDATES

from tests.in_process.producing import (
    COMPLETED,
    RUNNING,
    WORKSPACE,
    creation,
    new_id,
    opening,
    recording,
    sending,
    transition,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.in_process.edges import Edge

FAR = 1 << 62


class Producer:
    """A producer that reports by one of the two ways."""

    def __init__(self, channel: grpc.Channel, way: str) -> None:
        self.id = new_id()
        self.way = way
        self._stub = ingest_service_pb2_grpc.IngestServiceStub(channel)
        self._runs = run_service_pb2_grpc.RunServiceStub(channel)

    def send(self, first: int, *updates: pb.Update) -> pb.UpdateAck:
        """The last ack of one batch."""
        if self.way == "unary":
            request = recording(self.id, first, *updates)
            answer: pb.RecordUpdatesResponse = self._stub.RecordUpdates(request, timeout=20)
            return answer.ack
        return self.stream(opening(self.id), sending(first, *updates))

    def stream(self, *messages: pb.StreamUpdatesRequest) -> pb.UpdateAck:
        """The last ack of a stream."""
        ack = pb.UpdateAck()
        for answer in self._stub.StreamUpdates(iter(messages), timeout=20):
            if answer.HasField("ack"):
                ack = answer.ack
        return ack

    def known(self) -> pb.GetProducerResponse:
        """What the service has of it."""
        request = pb.GetProducerRequest(workspace=WORKSPACE, producer_id=self.id)
        answer: pb.GetProducerResponse = self._stub.GetProducer(request, timeout=20)
        return answer

    def history(self, run_id: str) -> list[int]:
        """The states a run went through."""
        request = run_service_pb2.ListRunTransitionsRequest(parent=f"{WORKSPACE}/runs/{run_id}")
        answer = self._runs.ListRunTransitions(request, timeout=20)
        return [int(item.to_state) for item in answer.transitions]

    def run(self, run_id: str) -> run_pb2.Run:
        """What the service shows of a run."""
        request = run_service_pb2.GetRunRequest(name=f"{WORKSPACE}/runs/{run_id}")
        shown: run_pb2.Run = self._runs.GetRun(request, timeout=20).run
        return shown


@pytest.fixture(params=["unary", "stream"])
def producer(edge: Edge, request: pytest.FixtureRequest) -> Iterator[Producer]:
    with edge.channel() as channel:
        yield Producer(channel, request.param)


def refused(producer: Producer, first: int, *updates: pb.Update) -> Any:
    """The ErrorInfo with which a batch as a whole is refused."""
    with pytest.raises(grpc.RpcError) as raised:
        producer.send(first, *updates)
    return info_of(raised.value)


def info_of(error: Any) -> error_details_pb2.ErrorInfo:
    status = rpc_status.from_call(error)
    assert status is not None, error
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return info


def without_time(update: pb.Update) -> pb.Update:
    update.ClearField("occur_time")
    return update


def far_off(update: pb.Update, *path: str) -> pb.Update:
    """An update with a time or span that no calendar holds."""
    target: Any = update
    for name in path:
        target = getattr(target, name)
    target.seconds = FAR
    return update


MALFORMED = {
    "no change": pb.Update(run_id=new_id(), occur_time={"seconds": 1}),
    "no id": creation(""),
    "no uuid": creation("run-1"),
    "capitals": creation(new_id().upper()),
    "parent in capitals": creation(new_id(), parent_run_id=new_id().upper()),
    "no time": without_time(creation(new_id())),
    "far time": far_off(creation(new_id()), "occur_time"),
    "far schedule": far_off(creation(new_id()), "create", "scheduled_time"),
    "far timeout": far_off(creation(new_id()), "create", "timeout"),
    "far back-off": far_off(creation(new_id()), "create", "retry_policy", "max_backoff"),
    "far attempt": far_off(creation(new_id()), "create", "initial", "next_attempt_time"),
    "no state": transition(new_id(), 0),
    "unheard-of state": transition(new_id(), 99),
    "unheard-of kind": creation(new_id(), kind=99),
    "flow id with blanks": creation(new_id(), flow_id="nightly load"),
    "long name": creation(new_id(), display_name="x" * 256),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_update_is_rejected_and_its_neighbours_are_kept(
    producer: Producer, name: str
) -> None:
    run = new_id()
    ack = producer.send(1, creation(run), MALFORMED[name], transition(run))
    assert ack.committed_sequence == 3
    assert [(item.sequence, item.reason) for item in ack.rejections] == [(2, "INVALID_REQUEST")]
    assert ack.rejections[0].message
    assert producer.history(run) == [RUNNING, COMPLETED]


def test_a_nul_in_what_user_code_says_is_kept_as_another_character(producer: Producer) -> None:
    run, ended = new_id(), transition(new_id())
    made = creation(run, display_name="a\0b", task_name="\0", code_version="v\0")
    made.create.labels["team\0"] = "data\0"
    made.create.tags.append("nightly\0")
    ended.run_id, ended.transition.message = run, "done\0"
    assert not producer.send(1, made, ended).rejections
    assert producer.history(run) == [RUNNING, COMPLETED]
    kept = producer.run(run)
    assert (kept.display_name, kept.task_name) == ("a\ufffdb", "\ufffd")
    assert (kept.code_version, kept.state_message) == ("v\ufffd", "done\ufffd")
    assert (dict(kept.labels), list(kept.tags)) == ({"team\ufffd": "data\ufffd"}, ["nightly\ufffd"])


def test_an_oversized_value_is_rejected_and_its_neighbours_are_kept(producer: Producer) -> None:
    run, large = new_id(), creation(new_id())
    large.create.parameters.data = b"x" * (MAX_INLINE_BYTES + 1)
    ack = producer.send(1, creation(run), large, transition(run))
    [rejection] = ack.rejections
    assert (rejection.sequence, rejection.reason) == (2, "PAYLOAD_TOO_LARGE")
    assert rejection.metadata["limit_bytes"] == str(MAX_INLINE_BYTES)
    assert producer.history(run) == [RUNNING, COMPLETED]


def test_an_oversized_message_is_refused_whole_and_smaller_ones_go_on(producer: Producer) -> None:
    run, large = new_id(), creation(new_id())
    large.create.parameters.data = b"x" * MAX_MESSAGE_BYTES
    info = refused(producer, 1, creation(run), large)
    assert info.reason == "PAYLOAD_TOO_LARGE"
    assert info.metadata["limit_bytes"] == str(MAX_MESSAGE_BYTES)
    assert producer.send(1, creation(run)).committed_sequence == 1


def test_a_part_of_a_batch_is_not_judged_beyond_its_first_broken_rule(producer: Producer) -> None:
    many = creation(new_id())
    many.create.tags.extend([""] * 1000)
    [rejection] = producer.send(1, many).rejections
    assert (rejection.reason, len(rejection.metadata)) == ("INVALID_REQUEST", 1)


def test_too_many_log_lines_are_refused_whole(edge: Edge) -> None:
    lines = log_service_pb2.WriteLogsRequest(
        workspace=WORKSPACE, producer_id=new_id(), records=[log_service_pb2.LogRecord()] * 1001
    )
    with edge.channel() as channel, pytest.raises(grpc.RpcError) as raised:
        log_service_pb2_grpc.LogServiceStub(channel).WriteLogs(lines, timeout=20)
    assert info_of(raised.value).reason == "INVALID_REQUEST"


def test_too_many_updates_are_refused_whole_and_fewer_go_on(producer: Producer) -> None:
    updates = [creation(new_id()) for _ in range(BATCH_UPDATES + 1)]
    assert refused(producer, 1, *updates).reason == "STREAM_PROTOCOL"
    assert producer.send(1, *updates[:-1]).committed_sequence == BATCH_UPDATES


@pytest.mark.parametrize("first", [0, -1, LAST_SEQUENCE])
def test_numbers_that_are_none_are_refused(producer: Producer, first: int) -> None:
    assert refused(producer, first, creation(new_id())).reason == "STREAM_PROTOCOL"


def test_an_empty_batch_is_refused(producer: Producer) -> None:
    assert refused(producer, 1).reason == "STREAM_PROTOCOL"


def test_a_gap_is_told_with_the_servers_watermark_and_can_be_filled(producer: Producer) -> None:
    runs = [new_id() for _ in range(4)]
    producer.send(1, creation(runs[0]), creation(runs[1]))
    info = refused(producer, 4, creation(runs[3]))
    assert (info.reason, info.domain) == ("SEQUENCE_GAP", "towpath")
    assert dict(info.metadata) == {"expected_sequence": "3", "first_sequence": "4"}
    assert producer.known().committed_sequence == 2
    ack = producer.send(3, creation(runs[2]), creation(runs[3]))
    assert (ack.committed_sequence, len(ack.rejections)) == (4, 0)
    assert [producer.history(run) for run in runs] == [[RUNNING]] * 4


def test_batches_out_of_order_apply_once_they_come_in_order(producer: Producer) -> None:
    run = new_id()
    assert refused(producer, 2, transition(run)).metadata["expected_sequence"] == "1"
    producer.send(1, creation(run))
    producer.send(2, transition(run))
    assert producer.history(run) == [RUNNING, COMPLETED]


def test_updates_out_of_order_are_rejected_each(producer: Producer) -> None:
    run = new_id()
    ack = producer.send(1, transition(run), creation(run), transition(run))
    assert [(item.sequence, item.reason) for item in ack.rejections] == [(1, "RUN_UNKNOWN")]
    assert producer.history(run) == [RUNNING, COMPLETED]


def test_repeated_and_overlapping_batches_apply_once(producer: Producer) -> None:
    run = new_id()
    updates = [creation(run), transition(run, 4), transition(run, RUNNING), transition(run)]
    assert producer.send(1, *updates[:2]).committed_sequence == 2
    assert producer.send(1, *updates[:2]).committed_sequence == 2
    assert producer.send(2, *updates[1:]).committed_sequence == 4
    assert producer.send(1, *updates).committed_sequence == 4
    assert producer.history(run) == [RUNNING, 4, RUNNING, COMPLETED]


def test_a_rejection_is_told_again_with_a_repeated_batch(producer: Producer) -> None:
    run = new_id()
    producer.send(1, transition(run))
    assert [item.reason for item in producer.send(1, transition(run)).rejections] == ["RUN_UNKNOWN"]
    assert [item.sequence for item in producer.known().rejections] == [1]


@pytest.mark.parametrize("name", ["x", "", "01978D2A-7C1E-7AAA-8BBB-0123456789AB"])
def test_a_producer_needs_a_uuid_in_lower_case(producer: Producer, name: str) -> None:
    producer.id = name
    assert refused(producer, 1, creation(new_id())).reason == "INVALID_REQUEST"


@pytest.fixture
def streaming(edge: Edge) -> Iterator[Producer]:
    with edge.channel() as channel:
        yield Producer(channel, "stream")


def ended(producer: Producer, *messages: pb.StreamUpdatesRequest) -> error_details_pb2.ErrorInfo:
    """The ErrorInfo that a stream ends with."""
    with pytest.raises(grpc.RpcError) as raised:
        producer.stream(*messages)
    return info_of(raised.value)


def test_a_stream_begins_with_its_opening(streaming: Producer) -> None:
    assert ended(streaming, sending(1, creation(new_id()))).reason == "STREAM_PROTOCOL"


def test_a_stream_is_opened_once(streaming: Producer) -> None:
    again = opening(streaming.id)
    assert ended(streaming, again, again).reason == "STREAM_PROTOCOL"


def test_what_came_before_a_gap_on_a_stream_is_kept(streaming: Producer) -> None:
    run = new_id()
    info = ended(
        streaming, opening(streaming.id), sending(1, creation(run)), sending(3, transition(run))
    )
    assert (info.reason, info.metadata["expected_sequence"]) == ("SEQUENCE_GAP", "2")
    assert streaming.history(run) == [RUNNING]


def test_a_stream_that_ignores_its_window_ends(
    edge: Edge, streaming: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(_: Any) -> asyncio.Future[Any]:
        return asyncio.get_running_loop().create_future()

    monkeypatch.setattr(edge.service.producers, "record", never)
    updates = [creation(new_id()) for _ in range(BATCH_UPDATES)]
    starts = range(1, WINDOW_UPDATES + BATCH_UPDATES + 1, BATCH_UPDATES)
    batches = [sending(first, *updates) for first in starts]
    assert ended(streaming, opening(streaming.id), *batches).reason == "STREAM_PROTOCOL"


def test_a_server_restored_from_a_backup_tells_a_unary_producer_where_it_stands(
    edge: Edge,
) -> None:
    with edge.channel() as channel:
        producer = Producer(channel, "unary")
        info = refused(producer, 101, creation(new_id()))
        assert (info.reason, info.metadata["expected_sequence"]) == ("SEQUENCE_GAP", "1")
        assert producer.stream(opening(producer.id, acked=100)).committed_sequence == 0
        assert producer.known().committed_sequence == 100
        assert producer.send(101, creation(new_id())).committed_sequence == 101


def test_a_description_that_no_calendar_holds_is_refused(edge: Edge) -> None:
    with edge.channel() as channel:
        stub = ingest_service_pb2_grpc.IngestServiceStub(channel)
        request = recording(new_id(), 1, creation(new_id()))
        request.info.start_time.seconds = FAR
        with pytest.raises(grpc.RpcError) as raised:
            stub.RecordUpdates(request, timeout=20)
        assert info_of(raised.value).reason == "INVALID_REQUEST"
