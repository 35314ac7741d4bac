"""Parses database URLs, and names databases in messages; used by the command line and wiring."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import ArgumentError

from towpath_service.core.errors import ServiceError
from towpath_service.database.postgres_url import parse_postgres_url

if TYPE_CHECKING:
    from towpath_service.database.postgres_url import PostgresUrl

# Errors that PgBouncer returns to clients that expect PostgreSQL itself.
_OF_A_POOLER: Final = ("unsupported startup parameter", "prepared statement")


def parse_database(text: str | None, home: Path) -> Path | PostgresUrl:
    """Parses the name of a database: a SQLite file or a PostgreSQL URL.

    Args:
        text: FILE, sqlite:///FILE, or postgresql://USER:PASSWORD@HOST/DATABASE; empty for the
            default.
        home: The Towpath home, where the default is.

    Raises:
        ServiceError: DATABASE_UNUSABLE, with the accepted forms.
    """
    if not text:
        return home / "towpath.db"
    scheme, separator, rest = text.partition("://")
    if not separator:
        return Path(text)
    if scheme == "sqlite" and len(rest) > 1 and rest.startswith("/"):
        return Path(rest.removeprefix("/"))
    if scheme in {"postgresql", "postgres"} and rest:
        try:
            return parse_postgres_url(text)
        except (ArgumentError, ValueError) as error:
            raise _unknown(scheme) from error
    raise _unknown(scheme)


def location_of(database: Path | PostgresUrl | None) -> str:
    """The location of a database for messages, without a password."""
    if database is None:
        return "memory"
    return str(database) if isinstance(database, Path) else database.display


def unusable(database: Path | PostgresUrl | None, cause: str) -> ServiceError:
    """The error for a database that can't be opened, or refuses the connection."""
    if database is None or isinstance(database, Path):
        advice = "Check the path and its permissions, or point TOWPATH_HOME elsewhere"
    elif any(sign in cause for sign in _OF_A_POOLER):
        advice = "If PgBouncer answers there, add ?pgbouncer=true to the URL"
    else:
        advice = "Check that it runs, its address, user and password"
    return ServiceError(
        reason="DATABASE_UNUSABLE",
        message=f"can't open the database {location_of(database)}: {cause}. {advice}",
    )


def _unknown(scheme: str) -> ServiceError:
    # The rest after the scheme may contain a password.
    return ServiceError(
        reason="DATABASE_UNUSABLE",
        message=(
            f"{scheme}://... names no database: give a file, sqlite:///FILE, or"
            " postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
        ),
    )
