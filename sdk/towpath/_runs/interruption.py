"""Ctrl-C for a whole flow run: what has not begun does not begin, what runs is asked to stop.

Only the body of a task is interrupted, never what reports it: an exception that arrives amid the
bookkeeping would be lost there, or would lose what was to be kept.

Invariant: a body that runs in a thread meets its stop. Python may deliver an exception in the
middle of a callback of a weak reference or of the garbage collector, or of a finalizer, and drops
it at the callback's end; it tells of that by `sys.unraisablehook`, in the same thread, and the stop
is sent once more.
"""

from __future__ import annotations

import asyncio
import ctypes
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from towpath.exceptions import RunCancelled

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class _Stop(BaseException):
    """Raised in a task's thread. `except Exception` in the user's code lets it pass."""


class Interruption:
    """Whether a flow run was interrupted, and how to stop the bodies of its tasks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stops: dict[object, tuple[int | None, Callable[[], object]]] = {}
        """How bodies under way are stopped, and the thread of those that have one to themselves."""
        self.requested = False

    def check(self) -> None:
        """Raises RunCancelled when the flow was interrupted: what would begin now does not."""
        if self.requested:
            raise RunCancelled("not begun, since the flow was interrupted")

    def run(self, body: Callable[[], Any]) -> Any:
        """Calls a task's body in this thread.

        Raises:
            RunCancelled: The flow was interrupted before or while it ran.
        """
        thread = threading.get_ident()
        key = object()
        try:
            self._begin(key, partial(_raise_in, thread, _Stop), thread)
            try:
                return body()
            finally:
                with self._lock:
                    self._forget(key)
                    if self.requested:
                        _raise_in(thread, None)
        except _Stop:
            raise RunCancelled("stopped, since the flow was interrupted") from None

    async def run_async(self, body: Callable[[], Awaitable[Any]]) -> Any:
        """Awaits a task's body, which is cancelled when the flow is interrupted.

        Raises:
            RunCancelled: The flow was interrupted before.
        """
        running = asyncio.current_task()
        assert running is not None
        loop = asyncio.get_running_loop()
        key = object()
        self._begin(key, lambda: loop.call_soon_threadsafe(running.cancel))
        try:
            return await body()
        finally:
            with self._lock:
                self._forget(key)

    def request(self) -> None:
        """Stops the bodies of all tasks under way."""
        _heed_lost_stops()
        with self._lock:
            self.requested = True
            if self._stops:
                _requested.add(self)
            for _, stop in self._stops.values():
                stop()

    def stop_again(self, thread: int) -> None:
        """Stops the bodies that still run in a thread, once more."""
        with self._lock:
            for running, stop in self._stops.values():
                if running == thread:
                    stop()

    def _forget(self, key: object) -> None:
        self._stops.pop(key, None)
        if not self._stops:
            _requested.discard(self)

    def _begin(self, key: object, stop: Callable[[], object], thread: int | None = None) -> None:
        with self._lock:
            self.check()
            self._stops[key] = (thread, stop)


_AGAIN_SECONDS: Final = 0.02

_heeding: list[Callable[[Any], Any]] = []
_requested: set[Interruption] = set()
"""Those that have stopped bodies, and whose bodies haven't all ended."""


def _heed_lost_stops() -> None:
    """Has stops that Python drops sent once more, from now on."""
    if sys.unraisablehook in _heeding:
        return
    earlier = sys.unraisablehook

    def heed(dropped: Any) -> None:
        if dropped.exc_type is not _Stop:
            earlier(dropped)
            return
        # Raised here and now, it would be dropped with this call.
        again = threading.Timer(_AGAIN_SECONDS, _stop_again, (threading.get_ident(),))
        again.daemon = True
        again.start()

    _heeding.append(heed)
    sys.unraisablehook = heed


def _stop_again(thread: int) -> None:
    for interruption in list(_requested):
        interruption.stop_again(thread)


def _raise_in(thread: int, error: type[BaseException] | None) -> None:
    """Raises in another thread's Python code; None takes back what was not raised yet."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread), None if error is None else ctypes.py_object(error)
    )
