"""Waits for runs, in ordinary code.

A wait in the thread of a shared loop lets the loop go on, since what it waits for may run there.
"""

from __future__ import annotations

import threading
import time
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Final

from towpath._runs.loops import DEEPEST, SharedLoop, loop_here
from towpath._strikes import exposed, spared

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_PAUSE_SECONDS: Final = 0.05
_LONGEST_PAUSE_SECONDS: Final = 3600.0
_SIGNAL_SECONDS: Final = 0.5
"""Longest time in which the main thread doesn't look for signals."""


class Wait:
    """A wait until something is over; what ends it calls `tell`."""

    def __init__(self, over: Callable[[], object]) -> None:
        """Waits for nothing yet.

        Args:
            over: Whether it is over; it is asked again after each `tell`.
        """
        self._over = over
        self._shared: SharedLoop | None = None
        self._changed = threading.Event()
        self._stopped = False
        self._paused = False

    def tell(self) -> None:
        """Lets the waiting thread look again; any thread may call it."""
        self._changed.set()
        if self._shared is not None:
            self._shared.wake()

    def until_over(self, timeout: float | None = None) -> None:
        """Waits, at most so many seconds.

        Raises:
            Struck: A body that the thread is in must end.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        shared = self._shared = loop_here()
        with exposed(self._stop):
            if shared is None:
                self._each(deadline, self._rest)
                return
            with shared.within_wait(self._changed.set):
                self._each(deadline, lambda seconds: self._go_on(shared, seconds))

    def _stop(self) -> None:
        self._stopped = True
        self.tell()

    def _each(self, deadline: float | None, step: Callable[[float | None], object]) -> None:
        while not self._stopped:
            self._changed.clear()
            if self._over():
                return
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return
            step(left)

    def _rest(self, seconds: float | None) -> None:
        # A signal that comes just before the main thread blocks doesn't wake it. Python calls the
        # signal's handler after the wait, so that Ctrl-C would have no effect until then.
        if threading.current_thread() is threading.main_thread():
            seconds = _SIGNAL_SECONDS if seconds is None else min(seconds, _SIGNAL_SECONDS)
        self._changed.wait(seconds)

    def _go_on(self, shared: SharedLoop, seconds: float | None) -> None:
        if not shared.busy:
            self._changed.wait(seconds)
            return
        deeper = shared.waits - DEEPEST
        if deeper > 0 and not self._paused:
            # Each wait that goes on within this one needs more of the stack. What this one waits
            # for mostly runs elsewhere; where it does not, the loop goes on after the pause.
            self._paused = True
            pause = min(_PAUSE_SECONDS * 2.0**deeper, _LONGEST_PAUSE_SECONDS)
            self._changed.wait(pause if seconds is None else min(pause, seconds))
            return
        if getattr(shared.loop, "_stopping"):  # noqa: B009 - private; a stopped loop doesn't wait
            self._changed.wait(_PAUSE_SECONDS if seconds is None else min(_PAUSE_SECONDS, seconds))
        shared.advance(seconds)


def run_in(shared: SharedLoop, make: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Runs a coroutine in a shared loop, and waits for its result.

    Args:
        shared: The loop.
        make: Makes the coroutine, in the loop.

    Raises:
        Struck: A body that this thread is in must end; the coroutine was cancelled, and has ended.
        RuntimeError: The loop was closed.
        BaseException: What the coroutine raised.
    """
    outcome = _Outcome(make)
    work = shared.begin(outcome.run, copy_context(), outcome.end)
    try:
        outcome.wait()
    except BaseException:
        work.cancel()
        with spared(deaf=True):
            outcome.wait()
        raise
    if outcome.error is not None:
        raise outcome.error
    return outcome.value


class _Outcome:
    """What becomes of a coroutine in a shared loop."""

    def __init__(self, make: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        self.value: Any = None
        self.error: BaseException | None = RuntimeError("its event loop was closed")
        self._make = make
        self._ended = False
        self._wait = self._new_wait()

    async def run(self) -> None:
        try:
            self.value = await self._make()
            self.error = None
        except BaseException as error:  # noqa: BLE001 - raised again in the waiting thread
            self.error = error

    def end(self) -> None:
        self._ended = True
        self._wait.tell()

    def wait(self) -> None:
        self._wait = self._new_wait()
        self._wait.until_over()

    def _new_wait(self) -> Wait:
        return Wait(lambda: self._ended)
