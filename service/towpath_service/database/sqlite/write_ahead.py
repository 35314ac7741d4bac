"""Makes sure that the disk has what a write-ahead log of SQLite holds when it is opened.

When a sync fails, the system may give up what it was to keep and yet show it to whoever reads, and
say of the next sync that all is well. A process that lives on is safe: SQLite writes the next
transaction over the one that failed. But one that dies leaves a log whose end the next process
takes for committed, and builds on, although no disk may have it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

_CHUNK_BYTES: Final = 1 << 20


def write_log_again(database: Path, connection: Connection) -> None:
    """Writes the log's bytes once more where they are, and forces them to the disk.

    Args:
        database: The database's file.
        connection: One that holds the right to write, so that nobody appends meanwhile.

    Raises:
        OSError: The disk doesn't take them; nothing may be built on them.
    """
    assert connection.in_transaction()
    try:
        descriptor = os.open(f"{database}-wal", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        offset = 0
        while chunk := os.pread(descriptor, _CHUNK_BYTES, offset):
            offset += os.pwrite(descriptor, chunk, offset)
        if offset:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
