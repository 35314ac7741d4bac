"""A bounded number of work slots over threads; work that waits for other runs gives up its slot.

Invariant: work that can run is run even when every slot is held by work that waits for it.
"""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from towpath._forks import in_child

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_MOST_THREADS: Final = 100_000
_held = threading.local()


class Slots:
    """Runs work in at most so many threads at a time, not counting those that wait."""

    def __init__(self, most: int, *, name: str) -> None:
        """Starts threads as they are needed.

        Args:
            most: Number of slots.
            name: Prefix of the threads' names.
        """
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - loads logging

        self._free = most
        self._lock = threading.Lock()
        self._queue: deque[Callable[[], object]] = deque()
        self._pool = ThreadPoolExecutor(_MOST_THREADS, thread_name_prefix=name)

    def run(self, work: Callable[[], None]) -> None:
        """Runs work in a copy of this context, when a slot is free; it must not raise."""
        context = contextvars.copy_context()
        with self._lock:
            if self._free <= 0:
                self._queue.append(lambda: context.run(work))
                return
            self._free -= 1
        self._pool.submit(self._drain, lambda: context.run(work))

    def close(self) -> None:
        """Waits until all work has ended."""
        self._pool.shutdown(wait=True)

    @contextmanager
    def aside(self) -> Generator[None]:
        """Gives up this thread's slot for as long as it waits."""
        with self._lock:
            following = self._queue.popleft() if self._queue else None
            if following is None:
                self._free += 1
        if following is not None:
            self._pool.submit(self._drain, following)
        try:
            yield
        finally:
            with self._lock:
                # This may go below zero: work under way continues, new work waits for a slot.
                self._free -= 1

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


def _let_go_in_child() -> None:
    """Gives up the slot in a forked child, since it and the waiting work are the parent's."""
    _held.slots = None


in_child(_let_go_in_child)


@contextmanager
def giving_way() -> Generator[None]:
    """Gives up this thread's slot, if it holds one, around a wait for other runs."""
    slots: Slots | None = getattr(_held, "slots", None)
    if slots is None:
        yield
        return
    with slots.aside():
        yield
