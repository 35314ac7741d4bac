"""A time limit on ordinary Python code in a thread: cooperative, since threads can't be killed."""

from __future__ import annotations

import ctypes
import threading

from towpath.exceptions import RunTimedOut


def timed_out(seconds: float | None) -> RunTimedOut:
    """The error of an attempt that took too long."""
    return RunTimedOut(f"took longer than its timeout of {seconds:g} s")


class time_limit:  # noqa: N801 - reads as a statement
    """Interrupts the thread's Python code after a time, with RunTimedOut.

    Code that is inside a C call is interrupted when it comes back from there.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()
        self._over = False

    def __enter__(self) -> None:
        if self._seconds is not None:
            thread = threading.get_ident()
            self._timer = threading.Timer(self._seconds, self._interrupt, (thread,))
            self._timer.daemon = True
            self._timer.start()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._timer is None:
            return
        with self._lock:
            self._timer.cancel()
            over, self._over = self._over, True
            if over:
                # What is not raised yet would strike later, wherever the thread is then.
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(threading.get_ident()), None
                )
        if over and kind is not RunTimedOut:
            raise timed_out(self._seconds)
        if over:
            raise timed_out(self._seconds) from None

    def _interrupt(self, thread: int) -> None:
        with self._lock:
            if not self._over:
                self._over = True
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(thread), ctypes.py_object(RunTimedOut)
                )
