"""Runs that may not compute the same at once: each waits for the lock of its cache key."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from towpath._results.isolation import IsolationLevel
from towpath._results.locks.files import FileSystemLockManager

if TYPE_CHECKING:
    from towpath._results.locks.protocol import LockManager
    from towpath._runs.context import RunContext
    from towpath._settings.declared import Settings

SERIALIZABLE: Final = IsolationLevel.SERIALIZABLE
_log: Final = logging.getLogger("towpath.engine")


class Turn:
    """One run's turn to compute the result of a key."""

    def __init__(
        self, run: RunContext, key: str, manager: LockManager | None, settings: Settings
    ) -> None:
        """Waits for nothing yet.

        Args:
            run: The run.
            key: Its cache key.
            manager: Has the locks; None for files in the Towpath home.
            settings: Say where the home is.
        """
        self._run = run
        self._key = key
        self._manager = locks_of(manager, settings)
        self._is_held = False
        part = run.transaction
        if part is not None and part.hands_over:
            # The result is there for others once the transaction has committed.
            self._holder: str = part.root.holder
            part.root.at_finish(self.leave)
        else:
            self._holder = run.run_id
            run.call_at_end(lambda _: self.leave())

    def take(self) -> None:
        """Waits until no other run computes the result.

        Raises:
            Struck: A body that the thread is in must end.
            OSError: The lock can't be used.
        """
        if not self._is_ours():
            self._is_held = self._manager.acquire_lock(self._key, self._holder)

    async def take_async(self) -> None:
        """As `take`, in async code."""
        if not self._is_ours():
            self._is_held = await self._manager.aacquire_lock(self._key, self._holder)

    def leave(self) -> None:
        """Lets the next run take its turn."""
        if not self._is_held:
            return
        self._is_held = False
        try:
            # A forked child has no lock of its parent, and one of a time limit may be over.
            with suppress(ValueError):
                self._manager.release_lock(self._key, self._holder)
        except Exception:  # noqa: BLE001 - a user's lock manager may raise anything
            _log.exception("the lock of %s could not be released", self._run.name)

    def _is_ours(self) -> bool:
        """Whether a run around this one computes the same, and would wait for itself."""
        around = self._run.parent
        while around is not None:
            if self._manager.is_lock_holder(self._key, around.run_id):
                return True
            around = around.parent
        return False


def locks_of(manager: LockManager | None, settings: Settings) -> LockManager:
    """Returns a lock manager: where none is given, that of all processes of the home."""
    return FileSystemLockManager(settings.home / "locks") if manager is None else manager
