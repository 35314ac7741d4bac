"""A producer that sends a batch once the one before is acknowledged, and remembers the acks."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, Final, Self

import grpc
import uuid_utils
from towpath.api.v1 import ingest_service_pb2 as pb
from towpath.api.v1 import ingest_service_pb2_grpc

from tests.benchmarks.producer import WORKSPACE, completion, creation
from tests.chaos.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

BATCH: Final = 4
CALL_SECONDS: Final = 900.0


class Lockstep:
    """A producer with one batch in flight, over streams that it opens anew after an error."""

    def __init__(self, address: str) -> None:
        """Connects when the first batch is sent."""
        self.ledger = Ledger(producer_id=str(uuid_utils.uuid7()))
        self.errors = 0
        self._channel = grpc.insecure_channel(address)
        self._batch: pb.UpdateBatch | None = None
        self._requests: queue.SimpleQueue[pb.StreamUpdatesRequest | None] | None = None
        self._answers: Iterator[pb.StreamUpdatesResponse] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self) -> bool:
        """Sends the next batch, or again the one that failed; tells whether it is acknowledged."""
        try:
            self._open()
            assert self._requests is not None
            assert self._answers is not None
            if self._batch is None:
                self._batch = self._next_batch()
            batch = self._batch
            self._requests.put(pb.StreamUpdatesRequest(batch=batch))
            answer = next(self._answers)
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE:
                raise
            self.errors += 1
            self._leave()
            return False
        assert answer.HasField("ack"), answer
        assert not answer.ack.rejections, answer
        assert answer.ack.committed_sequence == batch.first_sequence + BATCH - 1
        self.ledger.acked = answer.ack.committed_sequence
        self._batch = None
        return True

    def close(self) -> None:
        """Leaves the server."""
        self._leave()
        self._channel.close()

    def _open(self) -> None:
        if self._answers is not None:
            return
        requests: queue.SimpleQueue[pb.StreamUpdatesRequest | None] = queue.SimpleQueue()
        stub = ingest_service_pb2_grpc.IngestServiceStub(self._channel)
        answers = stub.StreamUpdates(iter(requests.get, None), timeout=CALL_SECONDS)
        self._requests, self._answers = requests, answers
        opening = pb.OpenStream(workspace=WORKSPACE, producer_id=self.ledger.producer_id)
        requests.put(pb.StreamUpdatesRequest(open=opening))
        opened = next(answers).opened
        # What is stored may be more than was told, never less.
        assert opened.committed_sequence >= self.ledger.acked

    def _leave(self) -> None:
        if self._requests is not None:
            self._requests.put(None)
        self._requests = self._answers = None

    def _next_batch(self) -> pb.UpdateBatch:
        first = self.ledger.made + 1
        self.ledger.made += BATCH
        runs = [str(uuid_utils.uuid7()) for _ in range(BATCH // 2)]
        updates = [
            update
            for index, run in enumerate(runs)
            for update in (_creation(run, index), completion(run))
        ]
        return pb.UpdateBatch(first_sequence=first, updates=updates)


def _creation(run: str, index: int) -> pb.Update:
    """The beginning of a run that belongs to no flow."""
    update = creation(run, index, run)
    update.create.ClearField("parent_run_id")
    return update
