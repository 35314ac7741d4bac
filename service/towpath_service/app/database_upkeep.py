"""The actions of the commands of `towpath server db` on a database."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, TypeVar

from alembic.util import CommandError

from towpath_service.app.wiring import open_service
from towpath_service.core.errors import ServiceError
from towpath_service.database import upgrade as schema
from towpath_service.database.upkeep.maintenance import at_database
from towpath_service.database.upkeep.plan import plan
from towpath_service.database.upkeep.size import database_bytes, table_sizes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from towpath_service.database.postgres_url import PostgresUrl
    from towpath_service.database.upkeep.plan import Step
    from towpath_service.database.upkeep.size import TableSize
    from towpath_service.runs.application.retention import Removed
    from towpath_service.runs.domain.retention import Keep

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Revisions:
    """The revision of a schema before and after a command; None for an empty database."""

    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSize:
    """The size of a database."""

    tables: Sequence[TableSize]
    """Sizes of its tables, the largest first."""
    whole_bytes: int


def upgrade(
    database: Path | PostgresUrl, revision: str, on_progress: Callable[[int, int], None]
) -> Revisions:
    """Brings the schema of a database up to a revision, which "head" may stand for.

    Args:
        database: The database.
        revision: The revision.
        on_progress: Is called at first, and after each migration: with how many are done, and with
            how many there are.

    Raises:
        ServiceError: DATABASE_UNUSABLE, with the database's error.
    """

    def work(connection: Connection) -> Revisions:
        before = schema.current_revision(connection)
        target = schema.HEAD if revision == "head" else _known(revision)
        total = sum((before or "") < each <= target for each in schema.revisions())
        done = count()
        on_progress(next(done), total)
        schema.upgrade(connection, revision, lambda: on_progress(next(done), total))
        return Revisions(before=before, after=schema.current_revision(connection))

    return _at(database, work)


def downgrade(database: Path | PostgresUrl, revision: str) -> Revisions:
    """Takes the schema of a database back to a revision; "base" empties it.

    Raises:
        ServiceError: DATABASE_UNUSABLE, with the database's error.
    """

    def work(connection: Connection) -> Revisions:
        before = schema.current_revision(connection)
        schema.downgrade(connection, _known(revision))
        return Revisions(before=before, after=schema.current_revision(connection))

    return _at(database, work)


def upgrade_plan(database: Path | PostgresUrl) -> Sequence[Step]:
    """The statements that an upgrade would run.

    Raises:
        ServiceError: DATABASE_UNUSABLE, with the database's error.
    """
    return _at(database, plan)


def measure(database: Path | PostgresUrl) -> DatabaseSize:
    """The size of a database, table by table.

    Raises:
        ServiceError: DATABASE_UNUSABLE, with the database's error.
    """
    return _at(
        database,
        lambda connection: DatabaseSize(
            tables=table_sizes(connection), whole_bytes=database_bytes(connection)
        ),
    )


def prune(database: Path | PostgresUrl, keep: Keep, on_progress: Callable[[int], None]) -> Removed:
    """Removes records that are older than their retention.

    Args:
        database: The database.
        keep: How long records are kept.
        on_progress: Is called with the number of records that each transaction has removed.

    Raises:
        ServiceError: DATABASE_UNUSABLE, with the database's error.
    """

    async def sweep() -> Removed:
        async with open_service(database, keep=keep) as service:
            return await service.retention.sweep(pausing=False, on_progress=on_progress)

    return asyncio.run(sweep())


def _at(database: Path | PostgresUrl, work: Callable[[Connection], Result]) -> Result:
    return asyncio.run(at_database(database, lambda connection: _explained(work, connection)))


def _explained(work: Callable[[Connection], Result], connection: Connection) -> Result:
    try:
        return work(connection)
    except CommandError as error:
        raise ServiceError(reason="DATABASE_UNUSABLE", message=str(error)) from error


def _known(revision: str) -> str:
    known = [*schema.revisions(), "head", "base"]
    if revision not in known:
        raise ServiceError(
            reason="DATABASE_UNUSABLE",
            message=f"there is no revision {revision!r}: choose one of {', '.join(known)}",
        )
    return revision
