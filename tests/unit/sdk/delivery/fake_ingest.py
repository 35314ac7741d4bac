"""The served side of the ingestion protocol, as a model: one producer, no time, no threads."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from towpath.api.v1 import ingest_service_pb2 as pb
from towpath.api.v1 import log_service_pb2
from towpath.exceptions import RpcError, ServerUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable

PRODUCER = "01978d2a-7c1e-7aaa-8bbb-0123456789ab"


def update(number: int) -> bytes:
    """The serialized update that a test reports as its `number`th."""
    return pb.Update(run_id=str(number)).SerializeToString()


class FakeService:
    """Commits what it is given, as the contract says; refuses every seventh update."""

    def __init__(self, *, updates: int = 20, size: int = 1_000_000, batch: int = 8) -> None:
        self.committed = 0
        self.epoch = 0
        self.applied: list[int] = []
        self.window = pb.SendWindow(
            max_inflight_updates=updates,
            max_inflight_bytes=size,
            max_batch_updates=batch,
            max_batch_bytes=size,
        )

    def restore(self, committed: int) -> None:
        """Goes back to what it had when `committed` was its watermark, as from a backup."""
        self.committed = min(self.committed, committed)
        self.applied = [number for number in self.applied if number <= committed]

    def adopt(self, sequence: int) -> None:
        """Takes the producer's word for what was committed."""
        self.committed = max(self.committed, sequence)

    def commit(self, batch: pb.UpdateBatch) -> None:
        """Takes a batch, or raises SEQUENCE_GAP."""
        if batch.first_sequence > self.committed + 1:
            raise RpcError(
                "a gap",
                code="OUT_OF_RANGE",
                reason="SEQUENCE_GAP",
                metadata={"expected_sequence": str(self.committed + 1)},
            )
        for sequence, item in enumerate(batch.updates, batch.first_sequence):
            if sequence > self.committed:
                self.applied.append(int(item.run_id))
                self.committed = sequence

    def rejections(self, after: int) -> list[pb.UpdateRejection]:
        """Those that a producer which confirmed `after` is told of."""
        return [
            pb.UpdateRejection(sequence=number, run_id=str(number), reason="RUN_UNKNOWN")
            for number in range(after + 1, self.committed + 1)
            if number % 7 == 0
        ]


class FakeDuplex:
    """One stream to a FakeService; the test says when messages arrive at either end."""

    def __init__(self, service: FakeService) -> None:
        self.ended = False
        self.half_closed = False
        self.sent: list[pb.StreamUpdatesRequest] = []
        self.acked = 0
        self._service = service
        self._served = 0
        self._epoch = 0
        self._returning: deque[pb.StreamUpdatesResponse] = deque()
        self._arrived: deque[pb.StreamUpdatesResponse] = deque()
        self._failure: RpcError | None = None
        self._sizes: list[int] = []

    def send(self, request: bytes) -> None:
        assert not self.half_closed
        message = pb.StreamUpdatesRequest.FromString(request)
        assert (message.WhichOneof("frame") == "open") == (not self.sent)
        self.sent.append(message)
        window = self._service.window
        flying = self.in_flight()
        assert sum(len(batch.updates) for batch in flying) <= window.max_inflight_updates
        assert sum(batch.ByteSize() for batch in flying) <= window.max_inflight_bytes

    def in_flight(self) -> list[pb.UpdateBatch]:
        """Batches that were sent and whose ack hasn't arrived."""
        batches = [message.batch for message in self.sent[1:]]
        return [b for b in batches if b.first_sequence + len(b.updates) - 1 > self.acked]

    def half_close(self) -> None:
        self.half_closed = True

    def receive(self) -> pb.StreamUpdatesResponse | None:
        if self._arrived:
            answer = self._arrived.popleft()
            frame = answer.ack if answer.HasField("ack") else answer.opened
            self.acked = max(self.acked, frame.committed_sequence)
            return answer
        if self._failure is not None:
            raise self._failure
        return None

    def serve(self, most: int = 1000) -> None:
        """The service takes some of what was sent, and answers."""
        for message in self.sent[self._served : self._served + most]:
            self._served += 1
            if message.WhichOneof("frame") == "open":
                self._open(message.open)
            else:
                assert self._epoch == self._service.epoch
                self._service.commit(message.batch)
                self.answer(ack=self._ack(message.batch.last_acked_sequence))
        if self.half_closed and self._served == len(self.sent) and not self._returning:
            self.ended = not self._arrived

    def arrive(self, most: int = 1000) -> None:
        """Some of the answers reach the producer."""
        for _ in range(min(most, len(self._returning))):
            self._arrived.append(self._returning.popleft())

    def answer(self, **frame: Any) -> None:
        """Sends the producer something."""
        self._returning.append(pb.StreamUpdatesResponse(**frame))

    def fail(self, error: RpcError | None = None) -> None:
        """Breaks the connection: what is on its way is lost."""
        self._returning.clear()
        self._failure = error or ServerUnreachable("gone", code="UNAVAILABLE")

    def _open(self, opening: pb.OpenStream) -> None:
        self._service.epoch += 1
        self._epoch = self._service.epoch
        self._service.adopt(opening.last_acked_sequence)
        self.answer(
            opened=pb.StreamOpened(
                committed_sequence=self._service.committed,
                epoch=self._epoch,
                window=self._service.window,
                rejections=self._service.rejections(opening.last_acked_sequence),
            )
        )

    def _ack(self, confirmed: int) -> pb.UpdateAck:
        return pb.UpdateAck(
            committed_sequence=self._service.committed,
            rejections=self._service.rejections(confirmed),
        )


class FakeUnaryTransport:
    """Unary calls to a FakeService; `lose` says which answers get lost."""

    address = "fake"

    def __init__(self, service: FakeService, lose: Callable[[], bool] = lambda: False) -> None:
        self._service = service
        self._lose = lose
        self.log_lines: list[int] = []

    def unary(self, method: str, request: Any, *, timeout_seconds: float = 10.0) -> Any:
        del timeout_seconds
        if method.endswith("WriteLogs"):
            self.log_lines += [record.sequence for record in request.records]
            return log_service_pb2.WriteLogsResponse()
        if request.resume_after_loss:
            self._service.adopt(request.batch.first_sequence - 1)
        self._service.commit(request.batch)
        if self._lose():
            raise ServerUnreachable("the answer was lost", code="UNAVAILABLE")
        ack = pb.UpdateAck(
            committed_sequence=self._service.committed,
            rejections=self._service.rejections(request.batch.last_acked_sequence),
        )
        return pb.RecordUpdatesResponse(ack=ack)

    def server_stream(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError

    def bidi_stream(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError

    def close(self) -> None:
        """Nothing is held."""
