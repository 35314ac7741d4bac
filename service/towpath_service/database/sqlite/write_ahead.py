"""Makes sure that the content of a write-ahead log of SQLite is on the disk when it is opened.

When a sync fails, the operating system may drop the dirty pages, still return them to readers, and
report success for the next sync. A process that continues is safe: SQLite overwrites the failed
transaction with the next one. A process that dies, however, leaves a log whose end may not be on
any disk. The next process would treat that end as committed, and build on it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

_CHUNK_BYTES: Final = 1 << 20


def write_log_again(database: Path, connection: Connection) -> None:
    """Rewrites the log's bytes in place, and forces them to the disk.

    Args:
        database: The database's file.
        connection: A connection with the write lock, so that no process appends meanwhile.

    Raises:
        OSError: The disk refuses them; the database must not be used.
    """
    assert connection.in_transaction()
    try:
        # SQLite's logs lie beside the file that a link leads to.
        descriptor = os.open(f"{database.resolve()}-wal", os.O_RDWR | os.O_CLOEXEC)
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
