"""Tasks that wait for what somebody else holds in the database."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import asyncpg

if TYPE_CHECKING:
    from collections.abc import Collection

# Of this database alone: others of the server are in use by other tests.
WAITING: Final = (
    "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
    " WHERE NOT granted AND datname = current_database()"
)


async def one_done_or_waiting(tasks: Collection[asyncio.Task[Any]], dsn: str) -> None:
    """Returns once a task is done, or something waits for a lock of the database.

    Args:
        tasks: Any of them may be the one.
        dsn: Of the database.
    """
    connection = await asyncpg.connect(dsn)
    try:
        while not any(task.done() for task in tasks):
            if await connection.fetchval(WAITING):
                return
            await asyncio.sleep(0.01)
    finally:
        await connection.close()
