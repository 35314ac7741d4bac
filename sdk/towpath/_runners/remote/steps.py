"""Threads for the steps of runs whose functions run elsewhere.

No thread waits for a function: a step begins a call, takes up an answer, or goes on after a wait.
Steps run code of users, such as hooks, which may wait for other runs: it gives its thread up
meanwhile, as in threads (`Slots`).

Work and timers go through one queue to a thread of its own, where no Ctrl-C and no timeout arrives,
so that none of them and no place is lost.
"""

from __future__ import annotations

import heapq
import logging
import queue
import threading
import time
from collections import deque
from contextvars import Context, copy_context
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from towpath._runs.slots import Slots

if TYPE_CHECKING:
    from collections.abc import Callable

_log: Final = logging.getLogger("towpath.runners")
_THREADS: Final = 8
_FEWEST_DROPPED: Final = 64


class Timer:
    """A step that is due later, unless it is cancelled before."""

    __slots__ = ("_steps", "action", "when")

    def __init__(self, when: float, action: Callable[[], None], steps: Steps) -> None:
        self.when = when
        self.action: Callable[[], None] | None = action
        self._steps = steps

    def cancel(self) -> None:
        """Drops the step if it isn't due yet; any thread may call it, more than once."""
        if self.action is not None:
            self.action = None
            self._steps.dropped()


class Place:
    """One of the places for runs under way; it is left once."""

    __slots__ = ("_left", "_steps")

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._left: dict[str, object] = {}

    def leave(self) -> None:
        """Makes room for another run; any thread may call it, more than once."""
        token = object()
        if self._left.setdefault("", token) is token:
            self._steps.left()


class Steps:
    """Runs steps in threads, and begins so many runs at a time; safe to use from any thread."""

    def __init__(self, most: int, *, name: str) -> None:
        """Starts the thread that hands steps out.

        Args:
            most: Number of places for runs under way.
            name: Prefix of the threads' names.
        """
        self._free = most
        self._slots = Slots(_THREADS, name=name)
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        """(Context, work) for a place, timers, `_LEFT` for a place that is free, None for the
        end."""
        self._waiting: deque[tuple[Context, Callable[[Place], None]]] = deque()
        self._timers: list[tuple[float, int, Timer]] = []
        self._numbers = count()
        self._dropped = 0
        self._thread = threading.Thread(target=self._run, name=f"{name}-steps", daemon=True)
        self._thread.start()

    def enter(self, work: Callable[[Place], None]) -> None:
        """Runs work in a thread and a copy of this context, when there is a place for its run.

        Args:
            work: Gets the place, which it leaves, now or in a later step; it doesn't raise.
        """
        self._queue.put((copy_context(), work))

    def soon(self, step: Callable[[], None]) -> None:
        """Runs a step of a run under way in one of the threads; it doesn't raise."""
        self._slots.run(step)

    def later(self, seconds: float, step: Callable[[], None]) -> Timer:
        """Runs a step after a time, unless its timer is cancelled."""
        timer = Timer(time.monotonic() + seconds, step, self)
        self._queue.put(timer)
        return timer

    def left(self) -> None:
        """Notes that a place is free."""
        self._queue.put(_LEFT)

    def dropped(self) -> None:
        """Notes that a timer was cancelled: what it holds must not stay until it were due."""
        self._dropped += 1  # It may be off by some: it only tells when to look.
        if self._dropped > _FEWEST_DROPPED:
            self._queue.put(_CLEAR)

    def close(self) -> None:
        """Ends the threads; no run is under way."""
        self._queue.put(None)
        self._thread.join()
        self._slots.close()

    def _run(self) -> None:
        goes_on = True
        while goes_on:
            try:
                goes_on = self._take(self._next())
            except Exception:  # noqa: BLE001 - other runs must go on
                _log.exception("a step of a run could not be begun")

    def _next(self) -> Any:
        left = self._timers[0][0] - time.monotonic() if self._timers else None
        try:
            return self._queue.get(timeout=None if left is None else max(0.0, left))
        except queue.Empty:
            return _DUE

    def _take(self, item: Any) -> bool:
        if item is None:
            return False
        if item is _LEFT:
            self._free += 1
        elif item is _DUE:
            self._begin_due()
        elif item is _CLEAR:
            self._clear()
        elif isinstance(item, Timer):
            heapq.heappush(self._timers, (item.when, next(self._numbers), item))
        else:
            self._waiting.append(item)
        while self._free > 0 and self._waiting:
            context, work = self._waiting.popleft()
            self._free -= 1
            context.run(self._slots.run, partial(work, Place(self)))
        return True

    def _begin_due(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            timer = heapq.heappop(self._timers)[2]
            action = timer.action
            timer.action = None
            if action is not None:
                self._slots.run(action)

    def _clear(self) -> None:
        if self._dropped > max(_FEWEST_DROPPED, len(self._timers) // 2):
            self._dropped = 0
            self._timers = [entry for entry in self._timers if entry[2].action is not None]
            heapq.heapify(self._timers)


_LEFT: Final = object()
_DUE: Final = object()
_CLEAR: Final = object()
