"""Runs that were submitted and may not have ended yet."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from towpath._forks import generation
from towpath._runs.async_library import check_async_library
from towpath._runs.slots import giving_way
from towpath._runs.waiting import Wait
from towpath._state_type import StateType
from towpath._strikes import spared
from towpath.exceptions import MissingContextError
from towpath.states import State

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from towpath._runs.children import Child, Waitable

R = TypeVar("R")


class Future(Generic[R]):
    """A submitted task run, and its result once it has ended."""

    def __init__(self, run_id: str, child: Child) -> None:
        self.task_run_id = run_id
        self.child = child
        self._done = False
        self._forks = generation()
        self._callbacks: list[Callable[[], None]] = []

    @property
    def state(self) -> State[R]:
        """The run's current state."""
        return self.child.state or State(type=StateType.PENDING)

    def wait(self, timeout: float | None = None) -> None:
        """Waits until the run has ended, or the time is over.

        Args:
            timeout: Longest wait, seconds; None for no limit.

        Raises:
            MissingContextError: This is a forked child, and the run is its parent's.
        """
        if self._done:
            return
        self._check_process()
        wait = Wait(self.done)
        self.when_done(wait.tell)
        try:
            with spared(), giving_way():
                wait.until_over(timeout)
        finally:
            self._take_back(wait.tell)

    async def wait_async(self) -> None:
        """Waits until the run has ended, in async code.

        Raises:
            MissingContextError: This is a forked child, and the run is its parent's.
        """
        if self._done:
            return
        self._check_process()
        check_async_library(f"the future of {self.child.name}")
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()

        def end() -> None:
            if not ended.done():
                ended.set_result(None)

        def tell() -> None:
            with suppress(RuntimeError):  # The loop was closed: nothing waits there any more.
                loop.call_soon_threadsafe(end)

        self.when_done(tell)
        try:
            with giving_way():
                await ended
        finally:
            self._take_back(tell)

    def __await__(self) -> Generator[Any, None, R]:
        """Waits for the run's result in async code, as `result` does in ordinary code.

        Raises:
            BaseException: The exception that ended the run.
        """
        yield from self.wait_async().__await__()
        return self.result()

    def result(self, timeout: float | None = None, *, raise_on_failure: bool = True) -> R:
        """Waits for the run's result and returns it.

        Args:
            timeout: Longest wait, seconds; None for no limit.
            raise_on_failure: Raise the exception that ended the run; otherwise return it.

        Raises:
            TimeoutError: The run hasn't ended in time.
            BaseException: The exception that ended the run.
        """
        self.wait(timeout)
        if not self._done:
            raise TimeoutError(f"{self.child.name} has not ended within {timeout} s")
        if not self.state.is_completed():
            self.child.handle()
        value: R = self.state.result(raise_on_failure=raise_on_failure)
        return value

    def final_state(self) -> State[R]:
        """Waits for the run's final state and returns it; a failure counts as handled then."""
        self.wait()
        self.child.handle_unless_completed()
        return self.state

    def done(self) -> bool:
        """Whether the run has ended."""
        return self._done

    def finish(self, state: State[R]) -> None:
        """Records the run's final state."""
        self.child.state = state
        self._done = True
        while self._callbacks:
            try:
                callback = self._callbacks.pop(0)
            except IndexError:  # taken back meanwhile
                return
            callback()

    def when_done(self, callback: Callable[[], None]) -> None:
        """Calls a function once the run has ended; at once if it already has."""
        self._callbacks.append(callback)
        # The code that takes it off the list calls it: `finish`, or this method if that was over.
        if self._done and self._take_back(callback):
            callback()

    def _check_process(self) -> None:
        if self._forks != generation():
            raise MissingContextError(
                f"{self.child.name} was submitted before this process was forked, and only the"
                " parent hears of its end: wait for it there, or call the task here"
            )

    def _take_back(self, callback: Callable[[], None]) -> bool:
        try:
            self._callbacks.remove(callback)
        except ValueError:
            return False
        return True


Waits = list[tuple[Future[Any], str, bool]]
"""What a run waits for: a future, the parameter it is in or "", and whether it may fail."""


class FutureList(list[Future[R]]):
    """The futures of a `.map`."""

    def result(self, timeout: float | None = None, *, raise_on_failure: bool = True) -> list[R]:
        """Waits for all results and returns them in order.

        Args:
            timeout: Longest wait for each result, seconds; None for no limit.
            raise_on_failure: Raise the first exception; otherwise return exceptions as results.

        Raises:
            TimeoutError: A run hasn't ended in time.
            BaseException: The exception that ended a run.
        """
        return [future.result(timeout, raise_on_failure=raise_on_failure) for future in self]

    def wait(self, timeout: float | None = None) -> None:
        """Waits until all runs have ended, or the time is over.

        Args:
            timeout: Longest wait in all, seconds; None for no limit.
        """
        wait(self, timeout)


def wait(futures: Iterable[Waitable], timeout: float | None = None) -> None:
    """Waits until all runs have ended, or the time is over.

    Args:
        futures: Futures of the runs.
        timeout: Longest wait in all, seconds; None for no limit.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    for future in futures:
        future.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))


async def wait_async(futures: Iterable[Waitable]) -> None:
    """Waits until all runs have ended, in async code.

    Args:
        futures: Futures of the runs.
    """
    for future in futures:
        await future.wait_async()


def as_completed(futures: Iterable[Future[R]], timeout: float | None = None) -> Iterator[Future[R]]:
    """Iterates over futures in the order in which their runs end.

    Args:
        futures: Futures of the runs.
        timeout: Longest wait in all, seconds; None for no limit.

    Yields:
        Each future, once its run has ended.

    Raises:
        TimeoutError: Not all runs have ended in time.
    """
    waiting: list[Future[R]] = list(futures)
    deadline = None if timeout is None else time.monotonic() + timeout
    some = Wait(lambda: any(future.done() for future in waiting))
    for future in waiting:
        future.when_done(some.tell)
    while waiting:
        with spared(), giving_way():
            some.until_over(None if deadline is None else max(0.0, deadline - time.monotonic()))
        ended = [future for future in waiting if future.done()]
        waiting = [future for future in waiting if future not in ended]
        yield from ended
        if waiting and deadline is not None and time.monotonic() >= deadline:
            raise TimeoutError(f"{len(waiting)} runs have not ended within {timeout} s")
