"""Locks between the threads and coroutines of one process."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from towpath import _strikes
from towpath._forks import in_child

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


class MemoryLockManager:
    """Locks within this process. All managers of a process share them.

    Runs in other processes, also those of a `ProcessPoolTaskRunner`, don't see them: use
    `FileSystemLockManager` there.
    """

    def acquire_lock(
        self,
        key: str,
        holder: str,
        acquire_timeout: float | None = None,
        hold_timeout: float | None = None,
    ) -> bool:
        """Acquires the lock of a key; a holder that has it already keeps it.

        Args:
            key: The key.
            holder: Who is to have the lock.
            acquire_timeout: Longest wait, seconds; 0 for none, None for no limit.
            hold_timeout: Time after which the lock is free again, seconds; None for never.

        Returns:
            Whether the holder has the lock.
        """
        return _until(key, lambda: _take(key, holder, hold_timeout), acquire_timeout)

    async def aacquire_lock(
        self,
        key: str,
        holder: str,
        acquire_timeout: float | None = None,
        hold_timeout: float | None = None,
    ) -> bool:
        """As `acquire_lock`; the event loop goes on meanwhile."""
        return await _until_async(key, lambda: _take(key, holder, hold_timeout), acquire_timeout)

    def release_lock(self, key: str, holder: str) -> None:
        """Releases the lock of a key.

        Raises:
            ValueError: The holder doesn't have it.
        """
        table = _table
        with table.lock:
            held = table.of(key)
            if held is None or held.holder != holder:
                raise ValueError(f"{holder} doesn't have the lock of {key!r}")
            del table.held[key]
            waiting = list(table.waiting.get(key, ()))
        for tell in waiting:
            # A loop that has been closed meanwhile waits for nothing.
            with suppress(RuntimeError):
                tell()

    def is_locked(self, key: str) -> bool:
        """Whether anyone has the lock of a key."""
        with _table.lock:
            return _table.of(key) is not None

    def is_lock_holder(self, key: str, holder: str) -> bool:
        """Whether a holder has the lock of a key."""
        with _table.lock:
            held = _table.of(key)
            return held is not None and held.holder == holder

    def wait_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """Waits until nobody has the lock of a key.

        Args:
            key: The key.
            timeout: Longest wait, seconds; None for no limit.

        Returns:
            Whether the lock is free.
        """
        return _until(key, lambda: not self.is_locked(key), timeout)

    async def await_for_lock(
        self,
        key: str,
        timeout: float | None = None,  # noqa: ASYNC109 - Prefect's name
    ) -> bool:
        """As `wait_for_lock`; the event loop goes on meanwhile."""
        return await _until_async(key, lambda: not self.is_locked(key), timeout)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MemoryLockManager)

    def __hash__(self) -> int:
        return hash(MemoryLockManager)

    def __reduce__(self) -> Any:
        return (type(self), ())


def _take(key: str, holder: str, hold_timeout: float | None) -> bool:
    with _table.lock:
        held = _table.of(key)
        if held is not None:
            return held.holder == holder
        ends = None if hold_timeout is None else time.monotonic() + hold_timeout
        _table.held[key] = _Held(holder, ends)
        return True


def _left(key: str, deadline: float | None) -> float | None:
    """Longest rest before another look: the lock may come free by itself. None for no limit."""
    held = _table.held.get(key)
    ends = [each for each in (deadline, held.ends if held else None) if each is not None]
    return max(0.0, min(ends) - time.monotonic()) if ends else None


def _until(key: str, done: Callable[[], bool], timeout: float | None) -> bool:
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


async def _until_async(key: str, done: Callable[[], bool], seconds: float | None) -> bool:
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
