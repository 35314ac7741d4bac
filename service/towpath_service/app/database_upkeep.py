"""What the commands of `towpath server db` do with a database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from alembic.util import CommandError

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

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Revisions:
    """The revision of a schema before and after a command; None for an empty database."""

    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSize:
    """How large a database is."""

    tables: Sequence[TableSize]
    """The largest first."""
    whole_bytes: int


async def upgrade(database: Path | PostgresUrl, revision: str) -> Revisions:
    """Brings the schema of a database up to a revision, which "head" may stand for.

    Raises:
        ServiceError: DATABASE_UNUSABLE, with what the database said.
    """

    def work(connection: Connection) -> Revisions:
        before = schema.current_revision(connection)
        schema.upgrade(connection, _known(revision))
        return Revisions(before=before, after=schema.current_revision(connection))

    return await _at(database, work)


async def downgrade(database: Path | PostgresUrl, revision: str) -> Revisions:
    """Takes the schema of a database back to a revision; "base" empties it.

    Raises:
        ServiceError: DATABASE_UNUSABLE, with what the database said.
    """

    def work(connection: Connection) -> Revisions:
        before = schema.current_revision(connection)
        schema.downgrade(connection, _known(revision))
        return Revisions(before=before, after=schema.current_revision(connection))

    return await _at(database, work)


async def upgrade_plan(database: Path | PostgresUrl) -> Sequence[Step]:
    """The statements that an upgrade would run.

    Raises:
        ServiceError: DATABASE_UNUSABLE, with what the database said.
    """
    return await _at(database, plan)


async def measure(database: Path | PostgresUrl) -> DatabaseSize:
    """The size of a database, table by table.

    Raises:
        ServiceError: DATABASE_UNUSABLE, with what the database said.
    """
    return await _at(
        database,
        lambda connection: DatabaseSize(
            tables=table_sizes(connection), whole_bytes=database_bytes(connection)
        ),
    )


async def _at(database: Path | PostgresUrl, work: Callable[[Connection], Result]) -> Result:
    return await at_database(database, lambda connection: _explained(work, connection))


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
