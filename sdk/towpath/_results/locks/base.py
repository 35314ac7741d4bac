"""What the lock managers have in common: who has a lock, and how others wait for it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class BaseLockManager(ABC):
    """A lock manager, but for where the locks are and how a wait learns that one is free."""

    def acquire_lock(
        self,
        key: str,
        holder: str,
        acquire_timeout: float | None = None,
        hold_timeout: float | None = None,
    ) -> bool:
        """As `LockManager.acquire_lock`."""
        return self._until(key, partial(self._take, key, holder, hold_timeout), acquire_timeout)

    async def aacquire_lock(
        self,
        key: str,
        holder: str,
        acquire_timeout: float | None = None,
        hold_timeout: float | None = None,
    ) -> bool:
        """As `LockManager.aacquire_lock`."""
        take = partial(self._take, key, holder, hold_timeout)
        return await self._until_async(key, take, acquire_timeout)

    def is_locked(self, key: str) -> bool:
        """As `LockManager.is_locked`."""
        return self._holder_of(key) is not None

    def is_lock_holder(self, key: str, holder: str) -> bool:
        """As `LockManager.is_lock_holder`."""
        return self._holder_of(key) == holder

    def wait_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """As `LockManager.wait_for_lock`."""
        return self._until(key, lambda: not self.is_locked(key), timeout)

    async def await_for_lock(
        self,
        key: str,
        timeout: float | None = None,  # noqa: ASYNC109 - Prefect's name
    ) -> bool:
        """As `LockManager.await_for_lock`."""
        return await self._until_async(key, lambda: not self.is_locked(key), timeout)

    @abstractmethod
    def _holder_of(self, key: str) -> str | None:
        """Returns who has the lock of a key; None where it is free."""

    @abstractmethod
    def _take(self, key: str, holder: str, hold_timeout: float | None) -> bool:
        """Gives the lock of a key to a holder, if it is free; returns whether the holder has it."""

    @abstractmethod
    def _until(self, key: str, done: Callable[[], bool], timeout: float | None) -> bool:
        """Waits until a function returns true, which the lock of a key decides.

        Returns:
            Whether it did; False once the time is over.
        """

    @abstractmethod
    async def _until_async(self, key: str, done: Callable[[], bool], seconds: float | None) -> bool:
        """As `_until`; the event loop goes on meanwhile."""


def check_holder(key: str, holder: str, has: str | None) -> None:
    """Refuses to release the lock of another holder, or one that is free.

    Args:
        key: The key.
        holder: Who releases its lock.
        has: Who has it; None for no holder.

    Raises:
        ValueError: The holder doesn't have it.
    """
    if has != holder:
        raise ValueError(f"{holder} doesn't have the lock of {key!r}")
