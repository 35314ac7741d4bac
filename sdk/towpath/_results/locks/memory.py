"""Locks between the threads and coroutines of one process."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from towpath import _strikes
from towpath._forks import in_child
from towpath._results.locks.base import BaseLockManager, check_holder

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_SIGNAL_SECONDS: Final = 0.5
"""Longest time in which the main thread doesn't look for signals."""


@dataclass(frozen=True, slots=True)
class _Held:
    """A lock that a holder has."""

    holder: str
    ends: float | None
    """When it is free again, by the monotonic clock; None for never."""


class _Table:
    """The locks of a process, and what is to be told when one comes free."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.held: dict[str, _Held] = {}
        self.waiting: dict[str, list[Callable[[], object]]] = {}

    def of(self, key: str) -> _Held | None:
        """Who has the lock of a key; a lock whose time is over is free."""
        held = self.held.get(key)
        if held is not None and held.ends is not None and held.ends <= time.monotonic():
            self.held.pop(key, None)
            return None
        return held

    @contextmanager
    def telling(self, key: str, tell: Callable[[], object]) -> Generator[None]:
        """Calls a function each time when the lock of a key comes free."""
        with self.lock:
            self.waiting.setdefault(key, []).append(tell)
        try:
            yield
        finally:
            with self.lock:
                left = self.waiting[key]
                left.remove(tell)
                if not left:
                    del self.waiting[key]


_table = _Table()


def _forget_in_child() -> None:
    """Locks of the parent are none of a forked child's, whose threads and loops are new."""
    global _table  # noqa: PLW0603 - a process has one
    _table = _Table()


in_child(_forget_in_child)


class MemoryLockManager(BaseLockManager):
    """Locks within this process. All managers of a process share them.

    Its methods are those of `towpath.locking.LockManager`.

    Runs in other processes, also those of a `ProcessPoolTaskRunner`, don't see them: use
    `FileSystemLockManager` there.
    """

    def release_lock(self, key: str, holder: str) -> None:
        """As `LockManager.release_lock`."""
        table = _table
        with table.lock:
            held = table.of(key)
            check_holder(key, holder, None if held is None else held.holder)
            del table.held[key]
            waiting = list(table.waiting.get(key, ()))
        for tell in waiting:
            # A loop that has been closed meanwhile waits for nothing.
            with suppress(RuntimeError):
                tell()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MemoryLockManager)

    def __hash__(self) -> int:
        return hash(MemoryLockManager)

    def _holder_of(self, key: str) -> str | None:
        with _table.lock:
            held = _table.of(key)
        return None if held is None else held.holder

    def _take(self, key: str, holder: str, hold_timeout: float | None) -> bool:
        with _table.lock:
            held = _table.of(key)
            if held is not None:
                return held.holder == holder
            ends = None if hold_timeout is None else time.monotonic() + hold_timeout
            _table.held[key] = _Held(holder, ends)
            return True

    def _until(self, key: str, done: Callable[[], bool], timeout: float | None) -> bool:
        if done():
            return True
        deadline = None if timeout is None else time.monotonic() + timeout
        changed = threading.Event()
        with _table.telling(key, changed.set):
            while not done():
                if deadline is not None and deadline <= time.monotonic():
                    return False
                rest = _left(key, deadline)
                if threading.current_thread() is threading.main_thread():
                    rest = _SIGNAL_SECONDS if rest is None else min(rest, _SIGNAL_SECONDS)
                _strikes.wait(changed, rest)
                changed.clear()
        return True

    async def _until_async(self, key: str, done: Callable[[], bool], seconds: float | None) -> bool:
        if done():
            return True
        deadline = None if seconds is None else time.monotonic() + seconds
        changed = asyncio.Event()
        loop = asyncio.get_running_loop()
        with _table.telling(key, lambda: loop.call_soon_threadsafe(changed.set)):
            while not done():
                if deadline is not None and deadline <= time.monotonic():
                    return False
                with suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), _left(key, deadline))
                changed.clear()
        return True


def _left(key: str, deadline: float | None) -> float | None:
    """Longest rest before another look: the lock may come free by itself. None for no limit."""
    held = _table.held.get(key)
    ends = [each for each in (deadline, held.ends if held else None) if each is not None]
    return max(0.0, min(ends) - time.monotonic()) if ends else None
