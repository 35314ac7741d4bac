"""Workers that are streams only: they accept and renew leases, and run nothing.

They live in a process of their own, so that they take no processor time of what is measured:
`python -m tests.benchmarks.work.streams ADDRESS WORKERS SLOTS`. A line tells each step: "attached",
a lease with the time at which it came, "complete" once all slots are taken.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
import uuid
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, Final

import grpc.aio
from towpath.api.v1 import work_service_pb2 as pb

from tests.benchmarks.work.filling import POOL, WORKSPACE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

METHOD: Final = "/towpath.api.v1.WorkService/AttachWorker"
RENEW_SECONDS: Final = 10.0
AT_ONCE: Final = 50
"""Most workers that attach at the same time."""


@contextmanager
def attached(address: str, workers: int, slots: int) -> Iterator[IO[str]]:
    """Workers that are attached until the context ends; yields the lines that follow."""
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, address, str(workers), str(slots)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline().strip() == "attached"
        yield process.stdout
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


class _Workers:
    """All workers of the process."""

    def __init__(self, channel: grpc.aio.Channel, workers: int, slots: int) -> None:
        self._attach: Any = channel.stream_stream(
            METHOD,
            request_serializer=pb.AttachWorkerRequest.SerializeToString,
            response_deserializer=pb.AttachWorkerResponse.FromString,
        )
        self._workers = workers
        self._slots = slots
        self._attached = self._granted = 0
        self._limit = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """Keeps all of them attached; never returns."""
        await asyncio.gather(*(self._one(number) for number in range(self._workers)))

    async def _one(self, number: int) -> None:
        leases: set[str] = set()
        said: asyncio.Queue[pb.AttachWorkerRequest] = asyncio.Queue()
        said.put_nowait(pb.AttachWorkerRequest(hello=_hello(number, self._slots)))
        await self._limit.acquire()
        answers = self._attach(_requests(said))
        renewing = None
        async for answer in answers:
            kind = answer.WhichOneof("message")
            if kind == "attached":
                self._limit.release()
                renewing = asyncio.create_task(self._renew(number, leases, said))
                self._attached += 1
                if self._attached == self._workers:
                    print("attached", flush=True)
            elif kind == "granted":
                self._accept(answer.granted.leases, leases, said)
        assert renewing is None, f"the stream of worker {number} has ended"

    def _accept(self, granted: Any, leases: set[str], said: Any) -> None:
        now_us = time.time_ns() // 1_000
        lease_ids = [lease.lease_id for lease in granted]
        leases.update(lease_ids)
        said.put_nowait(pb.AttachWorkerRequest(accepted=pb.LeaseIds(lease_ids=lease_ids)))
        for lease in granted:
            print(lease.run_id, now_us, flush=True)
        self._granted += len(lease_ids)
        if self._granted == self._workers * self._slots:
            print("complete", flush=True)

    async def _renew(self, number: int, leases: set[str], said: Any) -> None:
        # Real workers begin at moments of their own.
        await asyncio.sleep(RENEW_SECONDS * (number % 100) / 100)
        while True:
            if leases:
                ids = pb.LeaseIds(lease_ids=sorted(leases))
                said.put_nowait(pb.AttachWorkerRequest(renew=ids))
            await asyncio.sleep(RENEW_SECONDS)


def _hello(number: int, slots: int) -> pb.WorkerHello:
    return pb.WorkerHello(
        parent=f"workspaces/{WORKSPACE}/workPools/{POOL}",
        worker_id=f"w{number}",
        instance_id=str(uuid.uuid4()),
        kind="process",
        slots=slots,
    )


async def _requests(
    said: asyncio.Queue[pb.AttachWorkerRequest],
) -> AsyncIterator[pb.AttachWorkerRequest]:
    while True:
        yield await said.get()


async def _main(address: str, workers: int, slots: int) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        await _Workers(channel, workers, slots).run()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
