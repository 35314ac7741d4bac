"""The database that the option --database of a command names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from towpath.settings import get_settings

from towpath_service.core.errors import ServiceError

if TYPE_CHECKING:
    from towpath_service.app.options import DatabaseOptions
    from towpath_service.database.postgres_url import PostgresUrl


def parsed_database(options: DatabaseOptions, home: Path) -> Path | PostgresUrl:
    """The database that the option names; the one of the home when it names none.

    Raises:
        click.UsageError: The option names no database.
    """
    from towpath_service.database.database_urls import parse_database  # noqa: PLC0415 - SQLAlchemy, 0.3 s

    try:
        return parse_database(options.database, home)
    except ServiceError as error:
        raise click.UsageError(f"--database: {error.message}") from None


def existing_database(options: DatabaseOptions) -> Path | PostgresUrl:
    """The database that the option names, which must be there if it is a file.

    Raises:
        click.UsageError: The option names no database.
        click.ClickException: The file isn't there.
    """
    target = parsed_database(options, get_settings().home)
    if isinstance(target, Path) and not target.exists():
        raise click.ClickException(
            f"there is no database {target} yet: `towpath server start` makes it, or name another"
            " with --database"
        )
    return target
