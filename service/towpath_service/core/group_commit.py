"""Group commit of small requests: each transaction takes all that came since the last one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from typing import TYPE_CHECKING, Final, Generic, Self, TypeVar

from towpath_service.core.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

Item = TypeVar("Item")
Answer = TypeVar("Answer")

MOST_ITEMS: Final = 500

_log = logging.getLogger(__name__)


class GroupCommit(Generic[Item, Answer]):
    """Commits the requests of all callers, in order, in one transaction after the other."""

    def __init__(
        self,
        commit: Callable[[Sequence[Item]], Awaitable[Sequence[Answer | ServiceError]]],
        *,
        name: str,
        most: int = MOST_ITEMS,
    ) -> None:
        """Starts without requests.

        Args:
            commit: Commits requests in one transaction, and answers each.
            name: Name of its task.
            most: Most requests of a transaction.
        """
        self._commit = commit
        self._name = name
        self._most = most
        self._waiting: deque[tuple[Item, asyncio.Future[Answer]]] = deque()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name=self._name)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        while self._waiting:
            _fail(self._waiting.popleft()[1], _shutting_down())

    async def submit(self, item: Item) -> Answer:
        """The answer to a request, after its commit.

        Raises:
            ServiceError: The request was refused, or the database failed; repeating it is safe.
        """
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        self._wake.set()
        return await answer

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                count = min(self._most, len(self._waiting))
                batch = [self._waiting.popleft() for _ in range(count)]
                try:
                    await self._settle(batch)
                except asyncio.CancelledError:
                    for _, answer in batch:
                        _fail(answer, _shutting_down())
                    raise

    async def _settle(self, batch: Sequence[tuple[Item, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._commit([item for item, _ in batch])
        except ServiceError as error:
            answers = [error] * len(batch)
        except Exception:  # noqa: BLE001 - each caller gets an answer
            if len(batch) > 1:
                # A failure affects its own request only.
                for one in batch:
                    await self._settle([one])
                return
            _log.exception("%s failed", self._name)
            answers = [_broken()]
        for (_, future), answer in zip(batch, answers, strict=True):
            if isinstance(answer, ServiceError):
                _fail(future, answer)
            elif not future.done():
                future.set_result(answer)


def _fail(answer: asyncio.Future[Answer], error: ServiceError) -> None:
    if not answer.done():
        answer.set_exception(error)
        answer.exception()  # The caller may be gone, which is no error.


def _shutting_down() -> ServiceError:
    return ServiceError(
        reason="SHUTTING_DOWN", message="the server is draining: reconnect", retry_after_seconds=0.2
    )


def _broken() -> ServiceError:
    return ServiceError(
        reason="OVERLOADED",
        message="the request could not be committed: try again",
        retry_after_seconds=1.0,
    )
