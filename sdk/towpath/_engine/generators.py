"""Runs of generator functions: the run lasts from the first item asked for to the last one.

An attempt that fails before its first item is tried again; after it, a consumer has seen items, and
giving some of them twice would be worse than the failure, which is then final.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from towpath._engine.time_limit import time_limit, timed_out
from towpath._runs.context import current_run
from towpath._strikes import exposed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator

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
                    with self._within():
                        try:
                            item = step()
                        except StopIteration as stop:
                            value = settle(stop.value)
                            break
                    given += 1
                    step = yield from _offer(item, inner)
            except GeneratorExit:
                with self._within():
                    inner.close()
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

    async def stream_async(
        self, make: Callable[[], AsyncGenerator[Any, Any]], settle: Callable[[Any], Awaitable[Any]]
    ) -> AsyncGenerator[Any, Any]:
        """The items of an async generator, each step within the run."""
        self._attempts.begin()
        while True:
            given = 0
            inner = make()
            limit = asyncio.timeout(None)
            try:
                while True:
                    limit = asyncio.timeout(self._seconds)
                    with self._in_run():
                        try:
                            async with limit:
                                item = await anext(inner)
                        except StopAsyncIteration:
                            await settle(None)
                            break
                    given += 1
                    yield item
            except GeneratorExit:
                await inner.aclose()
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

    @contextmanager
    def _in_run(self) -> Generator[None]:
        """Around each step: the consumer's code between steps is not part of the run."""
        token = current_run.set(self._run)
        try:
            with self._attempts.around_step():
                yield
        finally:
            current_run.reset(token)

    @contextmanager
    def _within(self) -> Generator[None]:
        """The same, for as long as a step may take."""
        with self._in_run(), time_limit(self._seconds), exposed():
            yield


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
