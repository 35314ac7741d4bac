"""A time limit on ordinary Python code in a thread: cooperative, since threads can't be killed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath._strikes import Strike, Struck
from towpath.exceptions import RunTimedOut

if TYPE_CHECKING:
    from types import TracebackType


def timed_out(seconds: float | None) -> RunTimedOut:
    """The error of an attempt that took too long."""
    return RunTimedOut(f"took longer than its timeout of {seconds:g} s")


class time_limit:  # noqa: N801 - reads as a statement
    """Ends the exposed Python code of this thread after a time, and raises RunTimedOut.

    Code that is inside a C call is interrupted when it comes back from there.
    """

    __slots__ = ("_seconds", "_strike")

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._strike: Strike | None = None

    def __enter__(self) -> None:
        if self._seconds is not None:
            self._strike = Strike(self._seconds).__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        strike = self._strike
        if strike is None:
            return
        strike.__exit__(kind, error, trace)
        if strike.due and kind is not None and issubclass(kind, Struck):
            raise timed_out(self._seconds) from None
        if strike.due and (kind is None or issubclass(kind, Exception)):
            raise timed_out(self._seconds)
