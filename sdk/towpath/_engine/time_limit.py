"""A time limit on ordinary Python code in a thread: cooperative, since threads can't be killed."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from towpath._runs.budget import Budget
from towpath._strikes import Strike, Struck
from towpath.exceptions import RunTimedOut

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType

    from towpath._runs.context import RunContext


def timed_out(seconds: float | None) -> RunTimedOut:
    """The error of an attempt that took too long."""
    return RunTimedOut(f"took longer than its timeout of {seconds:g} s")


class time_limit:  # noqa: N801 - reads as a statement
    """Ends the exposed Python code of this thread after a time, and raises RunTimedOut.

    Code that is inside a C call is interrupted when it comes back from there.
    """

    __slots__ = ("_run", "_seconds", "_strike")

    def __init__(self, seconds: float | None, run: RunContext) -> None:
        self._seconds = seconds
        self._run = run
        self._strike: Strike | None = None

    def __enter__(self) -> None:
        if self._seconds is not None:
            self._strike = Strike(self._seconds).__enter__()
            self._run.budget = Budget(self._seconds, self._strike.postpone)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        strike = self._strike
        if strike is None:
            return
        self._run.budget = None
        strike.__exit__(kind, error, trace)
        if strike.due and kind is not None and issubclass(kind, Struck):
            raise timed_out(self._seconds) from None
        if strike.due and (kind is None or issubclass(kind, Exception)):
            raise timed_out(self._seconds)


@contextmanager
def loop_time_limit(
    limit: asyncio.Timeout, seconds: float | None, run: RunContext
) -> Generator[None]:
    """Sets the time limit of a coroutine, within the limit's context."""
    if seconds is None:
        yield
        return
    loop = asyncio.get_running_loop()
    offset = loop.time() - time.monotonic()

    def postpone(when: float | None) -> None:
        with suppress(RuntimeError):  # It has expired.
            limit.reschedule(None if when is None else when + offset)

    def postpone_here(when: float | None) -> None:
        try:
            here = asyncio.get_running_loop() is loop
        except RuntimeError:
            here = False
        if here:
            postpone(when)
        else:
            loop.call_soon_threadsafe(postpone, when)

    limit.reschedule(loop.time() + seconds)
    run.budget = Budget(seconds, postpone_here)
    try:
        yield
    finally:
        run.budget = None
