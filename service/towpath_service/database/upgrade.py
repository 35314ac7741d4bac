"""Upgrades a database to this version's schema, or refuses it; used by the engines and commands.

Revisions are numbers of four digits, so that they compare as texts. A migration that only adds to
the schema leaves `schema_info.oldest_service` unchanged, so that services of earlier revisions
continue to work while replicas are replaced one by one. A migration that removes something sets it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import inspect, text

from towpath_service.core.errors import ServiceError
from towpath_service.database.new_sqlite import make_tables
from towpath_service.database.sql.row_security import SAY_EVERY

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import StringIO

    from alembic.config import Config
    from sqlalchemy import Connection

MIGRATIONS: Final = Path(__file__).with_name("migrations")

HEAD: Final = "0015"
"""Newest revision; kept here so that an up-to-date database opens without Alembic."""

# Any number that no other advisory lock in the database uses: "towpath" as digits.
_UPGRADE_LOCK: Final = 8_697_284
_LOCK_TIMEOUT: Final = "10s"


def current_revision(connection: Connection) -> str | None:
    """The revision a database is at; None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def ensure_schema(connection: Connection, where: str, *, automatic: bool) -> None:
    """Ensures that this version can work with a database.

    Args:
        connection: A connection in a transaction.
        where: The database, for messages.
        automatic: Whether an older schema is upgraded now, and an empty database of SQLite gets
            its tables.

    Raises:
        ServiceError: DATABASE_TOO_OLD, or DATABASE_TOO_NEW when it was upgraded by a newer version
            and is no longer compatible with this one.
    """
    revision = current_revision(connection)
    if revision == HEAD:
        return
    if revision is not None and revision > HEAD:
        _check_newer(connection, where, revision)
    elif automatic and revision is None:
        make_tables(connection)
    elif automatic:
        upgrade(connection, "head")
    else:
        raise _too_old(where, revision)


def upgrade(
    connection: Connection, revision: str, on_step: Callable[[], None] | None = None
) -> None:
    """Runs the migrations up to a revision; concurrent upgrades are serialised by a lock.

    Args:
        connection: A connection in a transaction.
        revision: The revision, or "head".
        on_step: Is called after each migration.
    """
    from alembic import command  # noqa: PLC0415 - 0.2 s that an up-to-date database saves

    _take_turns(connection)
    config = _config(connection)
    config.attributes["on_step"] = on_step
    command.upgrade(config, revision)


def downgrade(connection: Connection, revision: str) -> None:
    """Reverts migrations down to a revision; "base" is an empty database."""
    from alembic import command  # noqa: PLC0415 - only migrations need Alembic

    _take_turns(connection)
    command.downgrade(_config(connection), revision)


def statements(connection: Connection, buffer: StringIO) -> None:
    """Writes the statements of an upgrade to the newest revision into a buffer."""
    from alembic import command  # noqa: PLC0415 - only migrations need Alembic

    config = _config(connection)
    config.output_buffer = buffer
    command.upgrade(config, f"{current_revision(connection) or 'base'}:head", sql=True)


def revisions() -> list[str]:
    """All revisions of the tree, oldest first."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - only plans need Alembic

    tree = ScriptDirectory(str(MIGRATIONS))
    return sorted(script.revision for script in tree.walk_revisions())


def _config(connection: Connection) -> Config:
    from alembic.config import Config  # noqa: PLC0415 - only migrations need Alembic

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def _take_turns(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        # A wait for a table lock blocks all later transactions on that table.
        connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'"))
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        # Without this, row security hides all rows from a migration, which still succeeds.
        connection.execute(text(SAY_EVERY))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})


def _check_newer(connection: Connection, where: str, revision: str) -> None:
    oldest = None
    if inspect(connection).has_table("schema_info"):
        oldest = connection.execute(text("SELECT oldest_service FROM schema_info")).scalar()
    if oldest is None or oldest > HEAD:
        raise ServiceError(
            reason="DATABASE_TOO_NEW",
            message=(
                f"{where} was upgraded by a newer Towpath (its schema is {revision}, this version"
                f" works with {HEAD}): upgrade towpath, or use another database. To go back, let"
                f" the newer version run: towpath server db downgrade --to {HEAD}"
            ),
        )


def _too_old(where: str, revision: str | None) -> ServiceError:
    state = f"has the schema {revision}" if revision else "is empty"
    return ServiceError(
        reason="DATABASE_TOO_OLD",
        message=(
            f"{where} {state}, and this version works with {HEAD}. Look at what it would do with"
            " `towpath server db plan`, then run `towpath server db upgrade`, both with the same"
            " --database"
        ),
    )
