"""Requests to end, as the streams of producers get them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from towpath.api.v1 import ingest_service_pb2 as pb

from tests.in_process.place import metadata
from tests.in_process.producing import batch, creation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.in_process.place import Place

PARENT = "workspaces/default"
STREAM = "IngestService/StreamUpdates"
SECONDS = 20.0


class Producer:
    """A producer with one open stream."""

    def __init__(self, place: Place, producer_id: str) -> None:
        self._requests: asyncio.Queue[Any] = asyncio.Queue()
        opening = {"workspace": PARENT, "producer_id": producer_id}
        self._requests.put_nowait(place.request(STREAM, open=opening))
        self.answers = place.service.dispatcher.bidi_stream(
            place.endpoint(STREAM), self._sent(), metadata(place.owner)
        )

    async def _sent(self) -> AsyncIterator[Any]:
        while (request := await self._requests.get()) is not None:
            yield request

    def send(self, place: Place, updates: pb.UpdateBatch) -> None:
        self._requests.put_nowait(place.request(STREAM, batch=updates))

    async def close(self) -> None:
        """Says nothing more, and reads to the end."""
        self._requests.put_nowait(None)
        async with asyncio.timeout(SECONDS):
            async for _ in self.answers:
                pass

    async def next(self, frame: str) -> Any:
        """The next message of a kind."""
        async with asyncio.timeout(SECONDS):
            async for answer in self.answers:
                if answer.WhichOneof("frame") == frame:
                    return getattr(answer, frame)
        raise AssertionError("the stream has ended")


@asynccontextmanager
async def producing(place: Place, producer_id: str) -> AsyncIterator[Producer]:
    producer = Producer(place, producer_id)
    yield producer
    await producer.close()


@asynccontextmanager
async def directing(place: Place) -> AsyncIterator[None]:
    """Runs the loop that finds directives."""
    loop = asyncio.ensure_future(place.service.loops["directives"]())
    try:
        yield
    finally:
        loop.cancel()
        await asyncio.wait([loop])


async def test_a_directive_comes_again_on_each_stream(place: Place) -> None:
    run_id, producer_id = str(uuid4()), str(uuid4())
    name = f"{PARENT}/runs/{run_id}"
    async with directing(place):
        async with producing(place, producer_id) as producer:
            await producer.next("opened")
            producer.send(place, batch(1, creation(run_id, kind=1, flow_id="etl")))
            await producer.next("ack")
            await place.call(place.owner, "RunService/CancelRun", name=name, message="stop")
            found = await producer.next("directive")
            assert (found.run_id, found.kind) == (run_id, pb.DIRECTIVE_KIND_CANCEL)
            assert (found.message, found.revision) == ("stop", 2)
            assert not found.HasField("grace_period")
        async with producing(place, producer_id) as producer:
            again = await producer.next("directive")
            assert (again.run_id, again.revision) == (run_id, 2)
        # Calls without a stream get the directive with their answer.
        answer = await place.call(
            *(place.owner, "IngestService/RecordUpdates"),
            workspace=PARENT,
            producer_id=producer_id,
            batch=batch(2, creation(str(uuid4()), kind=1, flow_id="etl")),
        )
        assert [item.run_id for item in answer.directives] == [run_id]
