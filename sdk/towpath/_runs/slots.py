"""A bounded number of work slots over threads; work that waits for other runs gives up its slot.

Invariant: work that can run is run even when every slot is held by work that waits for it.
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from towpath._forks import in_child

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from contextvars import Context

    from towpath._runs.loops import SharedLoop

_MOST_THREADS: Final = 100_000


@dataclass(slots=True, kw_only=True)
class _Held:
    """A slot, as the work in it sees it."""

    slots: Slots
    waiting: int = 0
    """How much of the work waits for other runs: of async work, several parts may."""


_held: ContextVar[_Held | None] = ContextVar("towpath_slot", default=None)


@dataclass(slots=True, frozen=True)
class _Work:
    """Work that waits for a slot, or has one."""

    begin: Callable[[], object]
    in_loop: bool = False
    """Whether `begin` returns at once, and the slot is given back later."""


class Slots:
    """Runs so much work at a time, in threads or in loops, not counting what waits."""

    def __init__(self, most: int, *, name: str) -> None:
        """Starts threads as they are needed.

        Args:
            most: Number of slots.
            name: Prefix of the threads' names.
        """
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - loads logging

        self._free = most
        self._lock = threading.Lock()
        self._queue: deque[_Work] = deque()
        self._pool = ThreadPoolExecutor(_MOST_THREADS, thread_name_prefix=name)

    def run(self, work: Callable[[], None]) -> None:
        """Runs work in a thread and a copy of this context, when a slot is free.

        Args:
            work: What to run; it must not raise.
        """
        context = self._context()
        self._admit(_Work(lambda: context.run(work)))

    def run_in_loop(
        self,
        work: Callable[[], Coroutine[Any, Any, None]],
        loop: SharedLoop,
        ended: Callable[[], None],
    ) -> None:
        """Runs async work in a loop and a copy of this context, when a slot is free.

        Args:
            work: Makes the coroutine, which must not raise.
            loop: The loop.
            ended: Called in the end, also when the work never began, since the loop was closed.
        """
        context = self._context()

        def over() -> None:
            ended()
            self._pass_on()

        self._admit(_Work(lambda: loop.begin(work, context, over), in_loop=True))

    def close(self) -> None:
        """Waits until all work has ended."""
        self._pool.shutdown(wait=True)

    @contextmanager
    def aside(self, held: _Held) -> Generator[None]:
        """Gives up a slot for as long as any of the work in it waits."""
        with self._lock:
            held.waiting += 1
            first = held.waiting == 1
        if first:
            self._pass_on()
        try:
            yield
        finally:
            with self._lock:
                held.waiting -= 1
                if not held.waiting:
                    # This may go below zero: work under way continues, new work waits for a slot.
                    self._free -= 1

    def _context(self) -> Context:
        context = copy_context()
        context.run(_held.set, _Held(slots=self))
        return context

    def _admit(self, work: _Work) -> None:
        with self._lock:
            if self._free <= 0:
                self._queue.append(work)
                return
            self._free -= 1
        self._begin(work)

    def _begin(self, work: _Work) -> None:
        if work.in_loop:
            work.begin()
        else:
            self._pool.submit(self._drain, work)

    def _pass_on(self) -> None:
        """Gives a slot to the work that has waited longest for one."""
        following = self._next()
        if following is not None:
            self._begin(following)

    def _next(self) -> _Work | None:
        with self._lock:
            if self._queue and self._free >= 0:
                return self._queue.popleft()
            self._free += 1
            return None

    def _drain(self, work: _Work) -> None:
        following: _Work | None = work
        while following is not None:
            following.begin()
            following = self._next()
            if following is not None and following.in_loop:
                following.begin()
                return


def _let_go_in_child() -> None:
    """Gives up the slot in a forked child, since it and the waiting work are the parent's."""
    _held.set(None)


in_child(_let_go_in_child)


@contextmanager
def giving_way() -> Generator[None]:
    """Gives up the slot that this code is in, if it is in one, around a wait for other runs."""
    held = _held.get()
    if held is None:
        yield
        return
    with held.slots.aside(held):
        yield
