"""Runs that were submitted and may not have ended yet."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar

from towpath._callables import returns_coroutine
from towpath._forks import generation
from towpath._runs.async_library import check_async_library
from towpath._runs.children import Child
from towpath._runs.context import current_run
from towpath._runs.replaying import took
from towpath._runs.slots import giving_way
from towpath._runs.waiting import Wait
from towpath._state_type import StateType
from towpath._strikes import spared
from towpath.exceptions import MissingContextError
from towpath.states import State, result_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from towpath._runs.children import Waitable

R = TypeVar("R")
W = TypeVar("W", bound="Waitable")

_log: Final = logging.getLogger("towpath.engine")


class Future(Generic[R]):
    """A submitted task run, and its result once it has ended."""

    def __init__(self, run_id: str, child: Child) -> None:
        self.task_run_id = run_id
        self.child = child
        self._done = False
        self._forks = generation()
        self._callbacks: list[Callable[[], None]] = []
        self._users: list[Callable[[], None]] = []
        """Callbacks of user code, which are called after those of the engine."""

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
            _take_back(self._callbacks, wait.tell)

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
            _take_back(self._callbacks, tell)

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
        took(current_run.get(), self.child)
        if not self.state.is_completed():
            self.child.handle()
        value: R = result_of(self.state, raise_on_failure=raise_on_failure)
        return value

    def final_state(self) -> State[R]:
        """Waits for the run's final state and returns it; a failure counts as handled then."""
        self.wait()
        took(current_run.get(), self.child)
        self.child.handle_unless_completed()
        return self.state

    def done(self) -> bool:
        """Whether the run has ended."""
        return self._done

    def finish(self, state: State[R]) -> None:
        """Records the run's final state."""
        self.child.state = state
        self._done = True
        _call_all(self._callbacks)
        _call_all(self._users)

    def when_done(self, callback: Callable[[], None]) -> None:
        """Calls a function once the run has ended; at once if it already has."""
        self._call_once_done(self._callbacks, callback)

    def take_back(self, callback: Callable[[], None]) -> None:
        """Doesn't call a function of `when_done` any more."""
        _take_back(self._callbacks, callback)

    def add_done_callback(self, fn: Callable[[Future[R]], object]) -> None:
        """Calls a function with this future once the run has ended; at once if it already has.

        Functions are called in the order in which they were added, in the thread that ended the
        run, and before the flow run around it ends. What they log belongs to the run whose code
        added them. An exception that one raises is logged, and changes nothing.

        Args:
            fn: The function; what it returns is ignored.

        Raises:
            TypeError: The function is async.
            MissingContextError: This is a forked child, and the run is its parent's.
        """
        if returns_coroutine(fn):
            raise TypeError(
                f"add_done_callback of {self.child.name} takes an ordinary function, not an async"
                " one: use a hook of the task, such as on_completion"
            )
        if not self._done:
            self._check_process()
        context = contextvars.copy_context()
        self._call_once_done(self._users, lambda: context.run(self._tell, fn))

    def _tell(self, fn: Callable[[Future[R]], object]) -> None:
        try:
            fn(self)
        except (Exception, SystemExit, asyncio.CancelledError):  # noqa: BLE001 - user code may raise anything
            _log.exception("a done callback of %s failed", self.child.name)

    def _call_once_done(
        self, callbacks: list[Callable[[], None]], callback: Callable[[], None]
    ) -> None:
        callbacks.append(callback)
        # The code that takes it off the list calls it: `finish`, or this method if that was over.
        if self._done and _take_back(callbacks, callback):
            callback()

    def _check_process(self) -> None:
        if self._forks != generation():
            raise MissingContextError(
                f"{self.child.name} was submitted before this process was forked, and only the"
                " parent hears of its end: wait for it there, or call the task here"
            )


def _call_all(callbacks: list[Callable[[], None]]) -> None:
    while callbacks:
        try:
            callback = callbacks.pop(0)
        except IndexError:  # taken back meanwhile
            return
        try:
            callback()
        except BaseException:
            _call_all(callbacks)
            raise


def _take_back(callbacks: list[Callable[[], None]], callback: Callable[[], None]) -> bool:
    try:
        callbacks.remove(callback)
    except ValueError:
        return False
    return True


def ended_future(state: State[R]) -> Future[R]:
    """Returns a future of the run that a state is of; where that is a failure, it was handled."""
    child = Child(state.run_name or str(state), state=state, handled=True)
    future: Future[R] = Future(state.run_id, child)
    future.finish(state)
    return future


Waits = list[tuple[Future[Any], str, bool]]
"""What a run waits for: a future, the parameter it is in or "", and whether it may fail."""


class FutureList(list[Future[R]]):
    """The futures of a `.map`."""

    def result(self, timeout: float | None = None, *, raise_on_failure: bool = True) -> list[R]:
        """Waits for all results and returns them in order.

        Args:
            timeout: Longest wait in all, seconds; None for no limit.
            raise_on_failure: Raise the first exception; otherwise return exceptions as results.

        Raises:
            TimeoutError: Not all runs have ended in time.
            BaseException: The exception that ended a run.
        """
        left = _countdown(timeout)
        results: list[R] = []
        for future in list(self):
            future.wait(left())
            if not future.done():
                raise _late(sum(not each.done() for each in self), timeout)
            results.append(future.result(raise_on_failure=raise_on_failure))
        return results

    def wait(self, timeout: float | None = None) -> None:
        """Waits until all runs have ended, or the time is over.

        Args:
            timeout: Longest wait in all, seconds; None for no limit.
        """
        wait(self, timeout)


class DoneAndNotDoneFutures(NamedTuple, Generic[W]):
    """The futures of a `wait`: those whose runs have ended, and the others."""

    done: set[W]
    not_done: set[W]


def wait(futures: Iterable[W], timeout: float | None = None) -> DoneAndNotDoneFutures[W]:
    """Waits until all runs have ended, or the time is over.

    Args:
        futures: Futures of the runs; what is added to a list after the call is not waited for.
        timeout: Longest wait in all, seconds; None for no limit.

    Returns:
        The futures whose runs have ended, and those whose runs haven't.
    """
    given = list(futures)
    left = _countdown(timeout)
    for future in given:
        future.wait(left())
    done = {future for future in given if future.done()}
    return DoneAndNotDoneFutures(done, {future for future in given if future not in done})


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
        futures: Futures of the runs; what is added to a list after the call is not waited for.
        timeout: Longest wait in all from this call on, seconds; None for no limit.

    Returns:
        An iterator over each future once, when its run has ended.

    Raises:
        TimeoutError: Not all runs have ended in time; raised by the iterator.
    """
    return _as_completed(list(dict.fromkeys(futures)), timeout, _countdown(timeout))


def _as_completed(
    futures: list[Future[R]], timeout: float | None, left: Callable[[], float | None]
) -> Iterator[Future[R]]:
    ended: deque[Future[R]] = deque()
    some = Wait(lambda: ended)

    def note(future: Future[R]) -> None:
        ended.append(future)
        some.tell()

    notes = [(future, functools.partial(note, future)) for future in futures]
    try:
        for future, each in notes:
            future.when_done(each)
        for missing in range(len(futures), 0, -1):
            while not ended:
                with spared(), giving_way():
                    some.until_over(left())
                if not ended and left() == 0:
                    raise _late(missing, timeout)
            yield ended.popleft()
    finally:
        for future, each in notes:
            future.take_back(each)


def _countdown(timeout: float | None) -> Callable[[], float | None]:
    """What is left of a timeout that begins now, seconds."""
    deadline = None if timeout is None else time.monotonic() + timeout
    return lambda: None if deadline is None else max(0.0, deadline - time.monotonic())


def _late(count: int, timeout: float | None) -> TimeoutError:
    runs = "1 run has" if count == 1 else f"{count} runs have"
    return TimeoutError(f"{runs} not ended within {timeout} s")
