"""Brings a database to the schema that this version works with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import inspect, text

from towpath_service.domain.errors import ServiceError

if TYPE_CHECKING:
    from sqlalchemy import Connection

MIGRATIONS: Final = Path(__file__).with_name("migrations")

HEAD: Final = "0001"
"""Newest revision of the tree; kept here so that an up-to-date database opens without Alembic."""

KNOWN: Final = frozenset({HEAD})


def current_revision(connection: Connection) -> str | None:
    """The revision a database is at; None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def ensure_schema(connection: Connection, where: str) -> None:
    """Upgrades an older database.

    Args:
        connection: A connection in a transaction.
        where: The database, for messages.

    Raises:
        ServiceError: The database was made by a newer version.
    """
    revision = current_revision(connection)
    if revision == HEAD:
        return
    if revision is not None and revision not in KNOWN:
        raise ServiceError(
            reason="DATABASE_TOO_NEW",
            message=(
                f"{where} was made by a newer Towpath (its schema is {revision}, this version knows"
                f" {HEAD}): upgrade towpath, or point TOWPATH_HOME at another folder"
            ),
        )
    upgrade(connection, "head")


def upgrade(connection: Connection, revision: str) -> None:
    """Runs the migrations up to a revision."""
    from alembic import command  # noqa: PLC0415 - 0.2 s that an up-to-date database saves
    from alembic.config import Config  # noqa: PLC0415 - see above

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
