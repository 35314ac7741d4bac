"""Workers with a stream to a dispatcher of their own, in this process."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from google.protobuf import descriptor_pool
from towpath.api.v1 import work_service_pb2 as pb
from towpath_service.app.background import background
from towpath_service.app.dispatch_wiring import dispatch
from towpath_service.app.subjects import Foundation
from towpath_service.core.draining import Draining
from towpath_service.core.tenant_limits import TenantLimits
from towpath_service.rpc.dispatcher import Dispatcher, LocalAuthenticator
from towpath_service.runs.rpc.ingest_handler import StreamTimes

from tests.contract.work.pools import Pools, new_id

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping

    from towpath_service.rpc.dispatcher import Dispatching
    from towpath_service.work.application.attachments import Attachments

SERVICE = "towpath.api.v1.WorkService"
ATTACH = "AttachWorker"
WAIT_SECONDS = 30.0


def rest_of_service() -> Any:
    """Stands in for the handlers of the other rpcs, which these tests don't call."""

    async def none(*_: object) -> None: ...

    methods: Any = descriptor_pool.Default().FindServiceByName(SERVICE).methods
    names = [re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", it.name).lower() for it in methods]
    others = {name: none for name in names if name != "attach_worker"}
    return type("Rest", (), {"service": SERVICE, **others})()


@dataclass
class WorkerClient:
    """One stream of a worker."""

    dispatcher: Dispatching
    worker_id: str = "w1"
    instance_id: str = field(default_factory=new_id)
    _requests: asyncio.Queue[pb.AttachWorkerRequest | None] = field(default_factory=asyncio.Queue)

    def say(self, **message: Any) -> None:
        self._requests.put_nowait(pb.AttachWorkerRequest(**message))

    def hello(self, slots: int = 1, **fields: Any) -> None:
        self.say(
            hello={
                "parent": "workspaces/default/workPools/local",
                "worker_id": self.worker_id,
                "instance_id": self.instance_id,
                "kind": "process",
                "slots": slots,
                **fields,
            }
        )

    def half_close(self) -> None:
        self._requests.put_nowait(None)

    async def _sent(self) -> AsyncIterator[pb.AttachWorkerRequest]:
        while (request := await self._requests.get()) is not None:
            yield request

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Answers]:
        endpoint = self.dispatcher.endpoint(f"{SERVICE}/{ATTACH}")
        answers = self.dispatcher.bidi_stream(endpoint, self._sent(), {})
        try:
            yield Answers(answers)
        finally:
            await answers.aclose()

    @asynccontextmanager
    async def attached(self, slots: int = 1, **fields: Any) -> AsyncGenerator[Answers]:
        """Opens the stream and reads the answer to its hello."""
        self.hello(slots, **fields)
        async with self.open() as answers:
            answers.attached = await answers.get("attached")
            yield answers


class Answers:
    """What a worker is told."""

    def __init__(self, answers: AsyncIterator[Any]) -> None:
        self._answers = answers
        self.attached: Any = None

    async def get(self, kind: str) -> Any:
        """The next answer, which must be of a kind."""
        async with asyncio.timeout(WAIT_SECONDS):
            answer = await anext(self._answers)
        assert answer.WhichOneof("message") == kind, answer
        return getattr(answer, kind)

    async def ended(self) -> None:
        """Waits for the stream to end by itself; raises its error."""
        async with asyncio.timeout(WAIT_SECONDS):
            async for answer in self._answers:
                raise AssertionError(answer)


@dataclass(frozen=True)
class Site:
    """Dispatch over the stores of a test."""

    pools: Pools
    dispatcher: Dispatching
    draining: Draining
    loops: Mapping[str, Callable[..., Any]]

    @property
    def attachments(self) -> Attachments:
        loop: Any = self.loops["workers"]
        return cast("Attachments", loop.__self__)

    def client(self, worker_id: str = "w1", **fields: Any) -> WorkerClient:
        return WorkerClient(self.dispatcher, worker_id, **fields)


@asynccontextmanager
async def open_site(
    pools: Pools, *, times: StreamTimes | None = None, loops: bool = True, **parts: Any
) -> AsyncGenerator[Site]:
    """Opens dispatch, as one replica."""
    draining = Draining(asyncio.Event())
    foundation = Foundation(
        stores=pools.stores,
        bus=pools.bus,
        clock=pools.clock,
        draining=draining,
        tenant_limits=TenantLimits(),
    )
    async with AsyncExitStack() as stack:
        listening = asyncio.create_task(pools.stores.database.listen(pools.bus))
        stack.callback(listening.cancel)
        await asyncio.sleep(0)
        opened = dispatch(foundation, times or StreamTimes(), **parts)
        subject = await stack.enter_async_context(opened)
        dispatcher = Dispatcher((*subject.handlers, rest_of_service()), LocalAuthenticator())
        if loops:
            await stack.enter_async_context(background(subject.loops))
        yield Site(pools, dispatcher, draining, subject.loops)
