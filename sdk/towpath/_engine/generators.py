"""Runs of generator functions: the run lasts from the first item asked for to the last one.

An attempt that fails before its first item is tried again; after it, a consumer has seen items, and
giving some of them twice would be worse than the failure, which is then final.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from towpath._engine.time_limit import time_limit, timed_out
from towpath._runs.cancellation import Cancellation
from towpath._runs.context import current_run
from towpath._strikes import exposed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
    from types import TracebackType

    from towpath._engine.attempts import Attempts
    from towpath._runs.context import RunContext
    from towpath.states import State


class Driver:
    """Drives one run of a generator function."""

    def __init__(
        self, run: RunContext, attempts: Attempts, ended: Callable[[State[Any]], object]
    ) -> None:
        """Reports nothing yet.

        Args:
            run: The run, already RUNNING.
            attempts: Its attempts.
            ended: Called with the final state.
        """
        self._run = run
        self._attempts = attempts
        self._ended = ended
        # A task has none of its own.
        self._cancellation = run.cancellation or Cancellation()
        self._seconds: float | None = run.owner.policy.timeout_seconds

    def stream(
        self, make: Callable[[], Generator[Any, Any, Any]], settle: Callable[[Any], Any]
    ) -> Generator[Any, Any, Any]:
        """The items of a generator, each step within the run; returns what it returns.

        Args:
            make: Makes the generator, anew for each attempt.
            settle: Turns what it returned into the run's value, or raises.
        """
        self._attempts.begin()
        while True:
            given = 0
            inner = make()
            try:
                step: Callable[[], Any] = lambda: next(inner)  # noqa: E731, B023 - used at once
                while True:
                    with self._in_run(), time_limit(self._seconds, self._run), exposed():
                        try:
                            item = self._cancellation.run(step)
                        except StopIteration as stop:
                            value = settle(stop.value)
                            break
                    given += 1
                    step = yield from _offer(item, inner)
            except GeneratorExit:
                try:
                    with self._in_run(), time_limit(self._seconds, self._run), exposed():
                        inner.close()
                except BaseException as error:
                    self._left(error)
                    raise
                self._ended(self._attempts.completed(None))
                raise
            except Exception as error:
                delay = self._attempts.failed(error) if not given else None
                if delay is None:
                    self._ended(self._attempts.give_up(error))
                    raise
                self._run.clock.sleep(delay)
                self._attempts.again()
            except BaseException as error:
                self._ended(self._attempts.interrupted(error))
                raise
            else:
                self._ended(self._attempts.completed(value))
                return value

    async def stream_async(  # noqa: C901, PLR0912, PLR0915 - an async generator can't give to another
        self, make: Callable[[], AsyncGenerator[Any, Any]], settle: Callable[[Any], Awaitable[Any]]
    ) -> AsyncGenerator[Any, Any]:
        """The items of an async generator, each step within the run."""
        self._attempts.begin()
        while True:
            given = 0
            inner = make()
            limit = asyncio.timeout(None)
            try:
                step: Callable[[], Awaitable[Any]] = inner.__anext__
                while True:
                    limit = asyncio.timeout(self._seconds)
                    with self._in_run():
                        try:
                            async with limit:
                                item = await self._cancellation.run_async(step)
                        except StopAsyncIteration:
                            await settle(None)
                            break
                    given += 1
                    try:
                        sent = yield item
                    except GeneratorExit:
                        raise
                    except BaseException as thrown:  # noqa: BLE001 - the generator's to deal with
                        step = partial(inner.athrow, thrown)
                    else:
                        step = partial(inner.asend, sent)
            except GeneratorExit:
                try:
                    with self._in_run():
                        await inner.aclose()
                except BaseException as error:
                    self._left(error)
                    raise
                self._ended(self._attempts.completed(None))
                raise
            except Exception as error:
                if isinstance(error, TimeoutError) and limit.expired():
                    error = timed_out(self._seconds)
                delay = self._attempts.failed(error) if not given else None
                if delay is None:
                    self._ended(self._attempts.give_up(error))
                    raise error  # noqa: TRY201 - it may be another than was caught
                await self._run.clock.sleep_async(delay)
                self._attempts.again()
            except BaseException as error:
                self._ended(self._attempts.interrupted(error))
                raise
            else:
                self._ended(self._attempts.completed(None))
                return

    def _left(self, error: BaseException) -> None:
        """Ends a run whose cleanup raised."""
        state = self._attempts.left(error)
        if state is not None:
            self._ended(state)

    def _in_run(self) -> _InRun:
        """Around each step: the consumer's code between steps is not part of the run."""
        return _InRun(self._run, self._attempts)


class _InRun:
    """Within a run, and within the span of its attempt."""

    # No generator: `contextlib` assigns to an exception that passes, which some exceptions refuse.

    def __init__(self, run: RunContext, attempts: Attempts) -> None:
        self._run = run
        self._step = attempts.around_step()

    def __enter__(self) -> None:
        self._token = current_run.set(self._run)
        self._step.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._step.__exit__(kind, error, traceback)
        finally:
            current_run.reset(self._token)


def _offer(item: Any, inner: Generator[Any, Any, Any]) -> Generator[Any, Any, Callable[[], Any]]:
    """Yields an item, and returns how to go on: with the sent value or the thrown error."""
    try:
        sent = yield item
    except GeneratorExit:
        raise
    except BaseException as thrown:  # noqa: BLE001 - it is the generator's to deal with
        error = thrown
        return lambda: inner.throw(error)
    return lambda: inner.send(sent)
