"""A bounded number of work slots over threads; work that waits for other runs gives up its slot.

Invariants:
  - work that can run is run even when every slot is held by work that waits for it;
  - accepted work runs once; work for a loop that was closed gets its `ended` call instead;
  - there are no more threads than slots and work that gave up its slot, at once;
  - a thread without work waits for a wake-up, and looks for work after each.

They hold wherever an exception arrives, such as Ctrl-C in a thread that hands over work. So work
waits in one queue until the step that takes it, with its slot, off the queue. Nothing there is
a call: Python looks for exceptions from outside only after calls, at jumps back and where functions
begin. What gives a slot back is tried once more, since an exception may arrive as it takes the
lock. A thread that an exception ends is replaced.
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from itertools import count
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from towpath._forks import in_child

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from contextvars import Context

    from towpath._runs.loops import SharedLoop

_IDLE_SECONDS: Final = 5.0
"""Time after which a thread without work ends."""


@dataclass(slots=True, kw_only=True)
class _Held:
    """A slot, as the work in it sees it."""

    slots: Slots
    waiting: int = 0
    """How much of the work waits for other runs: of async work, several parts may."""


@dataclass(slots=True, kw_only=True)
class _Wait:
    """A wait of the work in a slot."""

    held: _Held
    counts: bool = False


_held: ContextVar[_Held | None] = ContextVar("towpath_slot", default=None)


@dataclass(slots=True, kw_only=True, eq=False)
class _Work:
    """Work that waits for a slot, or has one."""

    begin: Callable[..., object]
    arguments: tuple[Any, ...]
    over: Callable[[], object] | None = None
    """Of work in a loop, which goes on after `begin`: gives its slot back; called once or twice."""
    has_slot: bool = field(default=False, init=False)


class Slots:
    """Runs so much work at a time, in threads or in loops, not counting what waits."""

    def __init__(self, most: int, *, name: str) -> None:
        """Starts threads as they are needed.

        Args:
            most: Number of slots.
            name: Prefix of the threads' names.
        """
        self._name = name
        self._numbers = count()
        self._lock = threading.Lock()
        self._free = most
        self._queue: deque[_Work] = deque()
        """Accepted work that has no slot yet."""
        self._threads: dict[int, threading.Thread] = {}
        self._working = 0
        """Threads in work, also in work that gave up its slot."""
        self._wake: SimpleQueue[None] = SimpleQueue()
        """Wake-ups of threads; one too many does no harm."""
        self._closed = False

    def run(self, work: Callable[[], None]) -> None:
        """Runs work in a thread and a copy of this context, when a slot is free.

        Args:
            work: What to run; it must not raise.

        Raises:
            BaseException: An exception arrived meanwhile, or no thread could be started. The work
                runs all the same if it was accepted before.
        """
        context = self._context()
        self._admit(_Work(begin=context.run, arguments=(work,)))

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
            ended: Called in the end, also when the work never began, since the loop was closed or
                an exception arrived meanwhile; it may be called twice.

        Raises:
            BaseException: As for `run`.
        """
        context = self._context()

        def over() -> None:
            try:
                ended()
            finally:
                with self._lock:
                    self._free += admitted.has_slot
                    admitted.has_slot = False
                self._settle()

        admitted = _Work(begin=loop.begin, arguments=(work, context, over), over=over)
        self._admit(admitted)

    def close(self) -> None:
        """Waits until all work has ended."""
        self._closed = True
        while threads := self._running():
            for _ in threads:
                self._wake.put(None)
            for thread in threads:
                thread.join()

    @contextmanager
    def aside(self, held: _Held) -> Generator[None]:
        """Gives up a slot for as long as any of the work in it waits."""
        wait = _Wait(held=held)
        try:
            with self._lock:
                self._free += not held.waiting
                held.waiting += 1
                wait.counts = True
            self._settle()
            yield
        finally:
            try:
                self._take_again(wait)
            finally:
                if wait.counts:
                    self._take_again(wait)

    def _take_again(self, wait: _Wait) -> None:
        with self._lock:
            if wait.counts:
                wait.counts = False
                wait.held.waiting -= 1
                # This may go below zero: work under way continues, new work waits for a slot.
                self._free -= not wait.held.waiting

    def _context(self) -> Context:
        context = copy_context()
        context.run(_held.set, _Held(slots=self))
        return context

    def _admit(self, work: _Work) -> None:
        try:
            self._queue.append(work)
            self._settle()
        except BaseException:
            self._settle()  # It may have been broken off.
            raise

    def _settle(self) -> None:
        """Has work begun that there are slots for."""
        while self._begin_next():
            pass

    def _begin_next(self, *, in_pool: bool = False) -> bool:
        """Begins the work that has waited longest, if a slot is free.

        Args:
            in_pool: Whether this thread runs work; otherwise another is called for what needs one.

        Returns:
            Whether there may be more to begin.
        """
        work: _Work | None = None
        begun = False
        try:
            with self._lock:
                if not self._queue or self._free <= 0:
                    return False
                following = self._queue[0]
                if not in_pool and following.over is None:
                    self._call_thread()
                    return False
                self._working += following.over is None
                self._free -= 1
                following.has_slot = True
                work = following
                del self._queue[0]
            begun = True  # The next place where an exception may arrive is in the work itself.
            work.begin(*work.arguments)
        except BaseException:
            if work is not None and begun and work.over is not None:
                work.over()
            raise
        finally:
            if work is not None and (work.over is None or not begun):
                try:
                    self._give_back(work, begun=begun)
                finally:
                    if begun and work.has_slot:
                        self._give_back(work, begun=begun)
        return True

    def _give_back(self, work: _Work, *, begun: bool) -> None:
        with self._lock:
            if work.has_slot:
                work.has_slot = False
                self._free += 1
                self._working -= work.over is None
                if not begun:
                    self._queue.appendleft(work)

    def _call_thread(self) -> None:
        """Wakes a thread, or starts one; the caller holds the lock."""
        due = min(self._free, len(self._queue))
        if len(self._threads) < self._working + due:
            self._start_thread()
        self._wake.put(None)

    def _start_thread(self) -> None:
        number = next(self._numbers)
        thread = threading.Thread(target=self._serve, args=(number,), name=f"{self._name}_{number}")
        self._threads[number] = thread
        try:
            thread.start()
        except BaseException:
            del self._threads[number]  # If it was started all the same, it ends at once.
            raise

    def _serve(self, number: int) -> None:
        """Does work in a thread of these slots."""
        try:
            goes_on = self._is_known(number)
            while goes_on:
                goes_on = self._begin_next(in_pool=True) or self._rest(number)
        except BaseException:  # noqa: BLE001, S110 - work tells by itself what ended it
            pass
        finally:
            with self._lock:
                if number in self._threads:
                    del self._threads[number]
            self._settle()

    def _is_known(self, number: int) -> bool:
        with self._lock:  # A start of the thread that is broken off takes it off the threads.
            return number in self._threads

    def _rest(self, number: int) -> bool:
        """Waits for a wake-up; returns whether the thread goes on."""
        leaves = self._closed
        if not leaves:
            try:
                self._wake.get(timeout=_IDLE_SECONDS)
            except Empty:
                leaves = True
        with self._lock:
            if (leaves or self._closed) and (not self._queue or self._free <= 0):
                del self._threads[number]
                return False
        return True

    def _running(self) -> list[threading.Thread]:
        with self._lock:
            # In a forked child they are gone.
            return [thread for thread in self._threads.values() if thread.is_alive()]


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
