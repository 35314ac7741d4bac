"""Producers that nothing discourages, and which keep book of what was acknowledged.

Each is a thread with the bare protocol. It sends batches over a stream, keeps what has no verdict,
and after any failure opens another stream, at the next server that it knows, and goes on. Some
batches it sends twice, and after a break it sometimes begins before the point that it is told to go
on from: duplicates, as retries and failovers make them.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import grpc
import uuid_utils
from towpath.api.v1 import ingest_service_pb2 as pb

from tests.benchmarks.producer import METHOD, WORKSPACE, completion, creation
from tests.chaos.ledger import Ledger
from tests.chaos.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FLOW, PAUSED, RUNNING = 1, 4, 3
NAME = "nothing-"
"""What the names of their runs begin with."""
BATCH = 15
MOST_IN_FLIGHT = 150
REMEMBERED = 60
"""How many acknowledged updates it could send again."""
PAUSES_OF_A_RUN = 2
STREAM_SECONDS = (1.5, 3.0)
"""Life of a stream: a connection on which nothing comes any more is not waited for longer."""
OPTIONS = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.enable_http_proxy", 0),
)
OF_FAULTS = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "UNKNOWN", "ABORTED"})
"""Codes that a stream may end with when the network, a server or the database breaks."""


class RawProducer:
    """One producer: a flow run that begins and ends many task runs, which pause and go on."""

    def __init__(self, addresses: Sequence[str], *, seed: int, repeats: float = 0.0) -> None:
        """Starts to produce.

        Args:
            addresses: host:port of the servers of one database.
            seed: Of sizes, pauses and repetitions.
            repeats: Chance of a batch to be sent twice, and of a stream to begin too early.
        """
        self.ledger = Ledger(producer_id=str(uuid_utils.uuid7()))
        self._addresses = addresses
        self._chance = random.Random(seed)
        self._repeats = repeats
        self._kept: deque[tuple[int, pb.Update]] = deque()
        self._updates = self._make()
        self._finishing = threading.Event()
        self._abandoned = False
        self._made_all = False
        self._change = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="raw-producer", daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether all it ever made is acknowledged, and no more comes."""
        return self._made_all and self.ledger.acked == self.ledger.made

    def finish(self) -> None:
        """Has it end its flow, and itself once everything is acknowledged; returns at once."""
        self._finishing.set()

    def abandon(self) -> None:
        """Has it end soon, whatever waits."""
        self._abandoned = True
        with self._change:
            self._change.notify_all()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        tried = self._chance.randrange(len(self._addresses))
        while not self.done and not self._abandoned:
            address = self._addresses[tried % len(self._addresses)]
            tried += 1
            try:
                with grpc.insecure_channel(address, options=OPTIONS) as channel:
                    self._stream(channel)
            except grpc.RpcError as error:
                self._judge(cast("Any", error))
            time.sleep(self._chance.uniform(0.01, 0.05))

    def _judge(self, error: Any) -> None:
        code, text = error.code().name, str(error.details())
        # gRPC itself says INTERNAL of a connection that broke in the middle of a message.
        of_service = "internal error; reference" in text
        if of_service or code not in OF_FAULTS | {"INTERNAL"}:
            self.ledger.complaints.append(f"a stream ended with {code}: {text}")

    def _stream(self, channel: grpc.Channel) -> None:
        stream = _Stream()
        call: Any = channel.stream_stream(
            METHOD,
            request_serializer=pb.StreamUpdatesRequest.SerializeToString,
            response_deserializer=pb.StreamUpdatesResponse.FromString,
        )
        self.ledger.streams += 1
        try:
            for answer in call(
                self._requests(stream), timeout=self._chance.uniform(*STREAM_SECONDS)
            ):
                with self._change:
                    self._take(answer, stream)
                    self._change.notify_all()
        finally:
            with self._change:
                stream.over = True
                self._change.notify_all()

    def _take(self, answer: pb.StreamUpdatesResponse, stream: _Stream) -> None:
        ledger = self.ledger
        if answer.HasField("opened"):
            told, rejections = answer.opened.committed_sequence, answer.opened.rejections
            stream.next = told + 1
            if self._chance.random() < self._repeats:
                stream.next -= self._chance.randrange(REMEMBERED)
            stream.next = max(stream.next, self._first_kept())
            stream.opened = True
        elif answer.HasField("ack"):
            told, rejections = answer.ack.committed_sequence, answer.ack.rejections
        else:
            return
        if not ledger.acked <= told <= ledger.made:
            ledger.complaints.append(f"told of {told} after {ledger.acked}, of {ledger.made} made")
        if rejections:
            ledger.complaints.append(f"rejected: {rejections[0]}")
        ledger.acked = max(ledger.acked, told)
        while self._kept and self._kept[0][0] <= ledger.acked - REMEMBERED:
            self._kept.popleft()

    def _first_kept(self) -> int:
        return self._kept[0][0] if self._kept else self.ledger.made + 1

    def _requests(self, stream: _Stream) -> Iterator[pb.StreamUpdatesRequest]:
        opening = pb.OpenStream(
            workspace=WORKSPACE,
            producer_id=self.ledger.producer_id,
            last_acked_sequence=self.ledger.acked,
        )
        yield pb.StreamUpdatesRequest(open=opening)
        with self._change:
            self._change.wait_for(lambda: stream.opened or stream.over)
        while not stream.over and (batch := self._batch(stream)) is not None:
            yield batch
            if self._chance.random() < self._repeats:
                yield batch
            time.sleep(self._chance.uniform(0.001, 0.006))

    def _batch(self, stream: _Stream) -> pb.StreamUpdatesRequest | None:
        with self._change:
            self._change.wait_for(
                lambda: stream.over or stream.next - self.ledger.acked <= MOST_IN_FLIGHT
            )
            wanted = stream.next + self._chance.randint(1, BATCH)
            while self.ledger.made < wanted - 1 and not self._made_all:
                self._keep_another()
            first = stream.next
            updates = [update for number, update in self._kept if first <= number < wanted]
            stream.next += len(updates)
        if not updates:
            return None
        return pb.StreamUpdatesRequest(
            batch=pb.UpdateBatch(
                first_sequence=first, updates=updates, last_acked_sequence=self.ledger.acked
            )
        )

    def _keep_another(self) -> None:
        update = next(self._updates, None)
        if update is None:
            self._made_all = True
            return
        self._kept.append((self.ledger.made + 1, update))
        self.ledger.made += 1

    def _make(self) -> Iterator[pb.Update]:
        """Updates of which each is a transition, were it to take effect twice too."""
        flow_run = str(uuid_utils.uuid7())
        beginning = creation(flow_run, 0, flow_run)
        beginning.create.kind = FLOW  # type: ignore[assignment]
        beginning.create.ClearField("parent_run_id")
        yield beginning
        index = 0
        while not self._finishing.is_set():
            run = str(uuid_utils.uuid7())
            yield creation(run, index, flow_run)
            for _ in range(PAUSES_OF_A_RUN):
                yield _changed(run, PAUSED)
                yield _changed(run, RUNNING)
            yield completion(run)
            index += 1
        yield completion(flow_run)


class _Stream:
    """Where one stream stands."""

    def __init__(self) -> None:
        self.opened = False
        self.over = False
        self.next = 0


class Producers:
    """Several producers at once."""

    def __init__(
        self, addresses: Sequence[str], *, count: int, seed: int, repeats: float = 0.0
    ) -> None:
        """Starts them."""
        self._all = [
            RawProducer(addresses, seed=seed * 100 + place, repeats=repeats)
            for place in range(count)
        ]

    @property
    def ledgers(self) -> list[Ledger]:
        """Their books, which go on being written."""
        return [producer.ledger for producer in self._all]

    def wait_progress(self, updates: int = 30) -> None:
        """Waits until each has so many more updates acknowledged."""
        goals = [(ledger, ledger.acked + updates) for ledger in self.ledgers]
        wait_until(
            lambda: all(ledger.acked >= goal for ledger, goal in goals),
            "all producers get acknowledgements",
        )

    def finish(self) -> None:
        """Has them end, and waits until all they made is acknowledged."""
        for producer in self._all:
            producer.finish()
        wait_until(lambda: all(producer.done for producer in self._all), "all producers finish")

    def abandon(self) -> None:
        """Ends them as they are."""
        for producer in self._all:
            producer.abandon()


@contextmanager
def producing(
    addresses: Sequence[str], *, count: int = 3, seed: int, repeats: float = 0.0
) -> Iterator[Producers]:
    """Producers that have begun; at the end they have finished, or the test has failed."""
    producers = Producers(addresses, count=count, seed=seed, repeats=repeats)
    try:
        producers.wait_progress()
        yield producers
        producers.finish()
    finally:
        producers.abandon()


def _changed(run: str, state: int) -> pb.Update:
    update = pb.Update(run_id=run)
    update.occur_time.FromNanoseconds(time.time_ns())
    update.transition.state = state  # type: ignore[assignment]
    update.transition.attempt = 1
    return update
