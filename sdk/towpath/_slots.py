"""A bounded number of work slots over threads, which whoever waits for others gives away.

Invariant: work that can run is run even when every slot is held by work that waits for it.
"""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_held = threading.local()


class Slots:
    """Runs work in at most so many threads at a time, not counting those that wait."""

    def __init__(self, most: int, *, name: str) -> None:
        """Starts threads as they are needed.

        Args:
            most: Number of slots.
            name: Prefix of the threads' names.
        """
        self._free = most
        self._lock = threading.Lock()
        self._queue: deque[Callable[[], object]] = deque()
        self._name = name
        self._threads: list[threading.Thread] = []
        self._idle = 0
        """Threads that wait for work, less the work that is on its way to them."""
        self._handed: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._unfinished = 0
        """Pieces of work that were handed to a thread."""
        self._closing = False
        self._quiet = threading.Event()

    def run(self, work: Callable[[], None]) -> None:
        """Runs work in a copy of this context, when a slot is free; it must not raise."""
        context = contextvars.copy_context()
        with self._lock:
            if self._free <= 0:
                self._queue.append(lambda: context.run(work))
                return
            self._free -= 1
        self._hand(lambda: context.run(work))

    def close(self) -> None:
        """Waits for what runs."""
        with self._lock:
            self._closing = True
            if not self._unfinished:
                self._quiet.set()
        self._quiet.wait()
        for _ in self._threads:
            self._handed.put(None)
        for thread in self._threads:
            thread.join()

    @contextmanager
    def aside(self) -> Generator[None]:
        """Gives this thread's slot away for as long as it waits."""
        with self._lock:
            following = self._queue.popleft() if self._queue else None
            if following is None:
                self._free += 1
        if following is not None:
            self._hand(following)
        try:
            yield
        finally:
            with self._lock:
                # This may go below zero: what runs is let run, nothing new begins until it fits.
                self._free -= 1

    def _hand(self, work: Callable[[], object]) -> None:
        """Gives work to a thread that has none, or to a new one."""
        with self._lock:
            self._unfinished += 1
            self._idle -= 1
            thread = None
            if self._idle < 0:
                self._idle += 1
                number = len(self._threads)
                name = f"{self._name}_{number}"
                thread = threading.Thread(target=self._live, name=name, daemon=True)
                self._threads.append(thread)
        self._handed.put(work)
        if thread is not None:
            thread.start()

    def _live(self) -> None:
        while (work := self._handed.get()) is not None:
            self._drain(work)
            with self._lock:
                self._idle += 1
                self._unfinished -= 1
                if self._closing and not self._unfinished:
                    self._quiet.set()

    def _drain(self, work: Callable[[], object]) -> None:
        _held.slots = self
        following: Callable[[], object] | None = work
        while following is not None:
            following()
            with self._lock:
                following = self._queue.popleft() if self._queue and self._free >= 0 else None
                if following is None:
                    self._free += 1
        _held.slots = None


@contextmanager
def giving_way() -> Generator[None]:
    """Around waiting for other runs: lets them have this thread's slot, if it holds one."""
    slots: Slots | None = getattr(_held, "slots", None)
    if slots is None:
        yield
        return
    with slots.aside():
        yield
