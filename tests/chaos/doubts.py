"""Syncs that failed, in a trace of SQLite with a write-ahead log: was any of it believed later?

What a failed sync was to keep is in doubt: a system may have dropped it, and say of the next sync
that all is well. So it must be written again before it counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.chaos.tracing import SYNCS, Call

if TYPE_CHECKING:
    from collections.abc import Sequence

LOG = "towpath.db-wal"
DATABASE = "towpath.db"
RESTART = 0
"""Where in the log its header is: who writes it gives up all that the log held."""


def believed(calls: Sequence[Call]) -> list[str]:
    """Everything that counts as stored by a sync that failed, as sentences.

    Args:
        calls: Writes and syncs of one database's two files.
    """
    found: list[str] = []
    log = _File()
    database = _File()
    for call in calls:
        file = log if call.path.endswith(LOG) else database
        if call.name == "pwrite64" and call.result > 0:
            if file is log and call.offset == RESTART and database.doubts:
                found.append(f"{call.began}: the log begins anew, {database.doubts} in doubt")
            if file is log and log.doubts and call.offset > min(log.doubts):
                found.append(f"{call.began}: the log grows behind what is in doubt: {log.doubts}")
            file.write(call.offset, appends=file is log)
        elif call.name in SYNCS:
            file.sync(failed=call.result != 0)
    return found


class _File:
    """Offsets in a file: written and not yet synced, and in doubt."""

    def __init__(self) -> None:
        self.doubts: set[int] = set()
        self._unsynced: set[int] = set()

    def write(self, offset: int, *, appends: bool) -> None:
        # What follows in the log counts only if what is before it fits.
        self.doubts = set() if appends else self.doubts - {offset}
        self._unsynced.add(offset)

    def sync(self, *, failed: bool) -> None:
        if failed:
            self.doubts |= self._unsynced
        self._unsynced = set()
