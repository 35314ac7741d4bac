"""What the store of results and transactions need of a lock manager."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class LockManager(Protocol):
    """Exclusive locks by key. A lock belongs to its holder, a text that the caller chooses."""

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
        ...

    async def aacquire_lock(
        self,
        key: str,
        holder: str,
        acquire_timeout: float | None = None,
        hold_timeout: float | None = None,
    ) -> bool:
        """As `acquire_lock`; the event loop goes on meanwhile."""
        ...

    def release_lock(self, key: str, holder: str) -> None:
        """Releases the lock of a key.

        Args:
            key: The key.
            holder: Who has the lock.

        Raises:
            ValueError: The holder doesn't have it.
        """
        ...

    def is_locked(self, key: str) -> bool:
        """Whether anyone has the lock of a key."""
        ...

    def is_lock_holder(self, key: str, holder: str) -> bool:
        """Whether a holder has the lock of a key."""
        ...

    def wait_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """Waits until the lock of a key is free.

        Args:
            key: The key.
            timeout: Longest wait, seconds; None for no limit.

        Returns:
            Whether the lock is free.
        """
        ...

    async def await_for_lock(
        self,
        key: str,
        timeout: float | None = None,  # noqa: ASYNC109 - Prefect's name
    ) -> bool:
        """As `wait_for_lock`; the event loop goes on meanwhile."""
        ...
