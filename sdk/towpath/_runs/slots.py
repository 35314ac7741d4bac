"""A bounded number of work slots over threads; work that waits for other runs gives up its slot.

Invariants:
  - work that can run is run even when every slot is held by work that waits for it;
  - a thread that gives its slot back is idle by the same step, so that no other is started for the
    next work: there are no more threads than work that has been under way at once.
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from towpath._forks import in_child

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from contextvars import Context

    from towpath._runs.loops import SharedLoop

_IDLE_SECONDS: Final = 5.0
"""How long a thread without work lasts, should nobody close its slots."""


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
        self._free = most
        self._lock = threading.Lock()
        self._queue: deque[_Work] = deque()
        """What waits for a slot."""
        self._name = name
        self._begun: deque[_Work] = deque()
        """What has a slot, and waits for a thread."""
        self._wake = threading.Condition(self._lock)
        self._idle = 0
        """Threads without work, less those that `_begun` is for."""
        self._threads: set[threading.Thread] = set()
        self._numbers = count()
        self._closed = False

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
        with self._lock:
            self._closed = True
            self._wake.notify_all()
        # In a forked child they are gone.
        while threads := [thread for thread in list(self._threads) if thread.is_alive()]:
            for thread in threads:
                thread.join()

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
            return
        with self._lock:
            self._begun.append(work)
            if self._idle:
                self._idle -= 1
                self._wake.notify()
                return
            thread = threading.Thread(
                target=self._serve, name=f"{self._name}_{next(self._numbers)}"
            )
            try:
                thread.start()
            except BaseException:
                self._begun.remove(work)
                raise
            self._threads.add(thread)

    def _pass_on(self) -> None:
        """Gives a slot to the work that has waited longest for one."""
        following = self._next()
        if following is not None:
            self._begin(following)

    def _next(self, *, idle: bool = False) -> _Work | None:
        """The work that takes over a slot; without any, the slot is free.

        Args:
            idle: Whether a thread of these slots is idle then.
        """
        with self._lock:
            if self._queue and self._free >= 0:
                return self._queue.popleft()
            self._free += 1
            self._idle += idle
            return None

    def _serve(self) -> None:
        """Does work in a thread of these slots."""
        while (work := self._taken()) is not None:
            self._drain(work)

    def _taken(self) -> _Work | None:
        """Waits for work; None when this thread is to end."""
        with self._lock:
            while not self._begun:
                if self._closed or (not self._wake.wait(_IDLE_SECONDS) and self._leaves()):
                    self._threads.discard(threading.current_thread())
                    return None
            return self._begun.popleft()

    def _leaves(self) -> bool:
        """Whether a thread may end that has waited in vain."""
        if self._begun or not self._idle:
            return False
        self._idle -= 1
        return True

    def _drain(self, work: _Work) -> None:
        following: _Work | None = work
        while following is not None:
            following.begin()
            following = self._next(idle=True)
            if following is not None and following.in_loop:
                following.begin()
                with self._lock:
                    self._idle += 1
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
