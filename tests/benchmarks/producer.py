"""A raw producer: batches built beforehand, sent over one stream as fast as the window allows."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import uuid_utils
from towpath._telemetry.ids import Carrier, root_span_id, trace_id_of
from towpath.api.v1 import ingest_service_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import grpc

METHOD = "/towpath.api.v1.IngestService/StreamUpdates"
WORKSPACE = "workspaces/default"
RUNNING, COMPLETED = 3, 7

Order = Literal["together", "apart"]
"""Whether a run's two updates follow each other, or all runs begin before the first one ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What one producer sends, serialized."""

    producer_id: str
    batches: Sequence[tuple[int, bytes]]
    """The last sequence of each batch, and the message."""

    @property
    def updates(self) -> int:
        """How many updates there are."""
        return self.batches[-1][0]


def build_all(
    producers: int, updates: int, batch: int, order: Order, *, traced: float = 0.0
) -> list[Load]:
    """Builds what producers report that run side by side: their runs' ids alternate.

    Args:
        producers: How many.
        updates: Of each.
        batch: Updates of a message.
        order: How runs' updates follow each other.
        traced: Share of runs that are traced, chosen by their traces' ids.
    """
    ids = [str(uuid_utils.uuid7()) for _ in range(producers * updates // 2)]
    return [_build(ids[place::producers], batch, order, traced) for place in range(producers)]


def _build(runs: Sequence[str], batch: int, order: Order, traced: float) -> Load:
    """Builds what a flow with many small tasks reports: half creations, half completions."""
    flow_run = str(uuid_utils.uuid7())
    created = [creation(run, index, flow_run) for index, run in enumerate(runs)]
    completed = [completion(run) for run in runs]
    for run, updates in zip(runs, zip(created, completed, strict=True), strict=True):
        trace_id = trace_id_of(run)
        if trace_id % (1 << 64) < traced * (1 << 64):
            carrier = Carrier(trace_id=trace_id, span_id=root_span_id(run), sampled=True)
            for update in updates:
                update.trace_context.traceparent = carrier.traceparent
    if order == "apart":
        reported = created + completed
    else:
        reported = [item for pair in zip(created, completed, strict=True) for item in pair]
    batches = []
    for start in range(0, len(reported), batch):
        part = reported[start : start + batch]
        message = pb.StreamUpdatesRequest(
            batch=pb.UpdateBatch(first_sequence=start + 1, updates=part)
        )
        batches.append((start + len(part), message.SerializeToString()))
    return Load(producer_id=str(uuid_utils.uuid7()), batches=batches)


def send(load: Load, channel: grpc.Channel) -> None:
    """Sends all of a load and returns once all of it is acknowledged."""
    room = threading.Condition()
    acked = 0
    window = 0

    def requests() -> Iterator[bytes]:
        opening = pb.OpenStream(workspace=WORKSPACE, producer_id=load.producer_id)
        yield pb.StreamUpdatesRequest(open=opening).SerializeToString()
        for last, message in load.batches:
            with room:
                room.wait_for(lambda last=last: last - acked <= window)  # type: ignore[misc]
            yield message

    call = channel.stream_stream(
        METHOD, request_serializer=None, response_deserializer=pb.StreamUpdatesResponse.FromString
    )
    for answer in call(requests()):
        with room:
            if answer.HasField("opened"):
                window = answer.opened.window.max_inflight_updates
            elif answer.HasField("ack"):
                assert not answer.ack.rejections, answer.ack.rejections[0]
                acked = answer.ack.committed_sequence
            room.notify()
    assert acked == load.updates


def creation(run_id: str, index: int, flow_run: str) -> pb.Update:
    """What the beginning of a task run reports."""
    update = pb.Update(run_id=run_id)
    update.occur_time.FromNanoseconds(time.time_ns())
    create = update.create
    create.kind = 2  # type: ignore[assignment]
    create.flow_id = create.flow_name = "load"
    create.task_key = create.task_name = "nothing"
    create.task_index = index
    create.parent_run_id = create.root_run_id = flow_run
    create.display_name = f"nothing-{index}"
    create.initial.state = RUNNING  # type: ignore[assignment]
    create.initial.attempt = 1
    return update


def completion(run_id: str) -> pb.Update:
    """What its end reports."""
    update = pb.Update(run_id=run_id)
    update.occur_time.FromNanoseconds(time.time_ns())
    update.transition.state = COMPLETED  # type: ignore[assignment]
    update.transition.attempt = 1
    return update
