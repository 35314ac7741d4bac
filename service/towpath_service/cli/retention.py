"""The command `towpath server db prune`."""

from __future__ import annotations

import click

from towpath_service.app.options import DatabaseOptions, RetentionOptions
from towpath_service.cli.database_option import existing_database
from towpath_service.cli.options import takes
from towpath_service.cli.progress import progress
from towpath_service.core.errors import ServiceError


@click.command()
@takes(DatabaseOptions, "database")
@takes(RetentionOptions, "retention")
def prune(database: DatabaseOptions, retention: RetentionOptions) -> None:
    """Remove records older than their retention; a running server does so every hour."""
    from towpath_service.app import database_upkeep  # noqa: PLC0415 - the whole service, 1 s

    target = existing_database(database)
    try:
        with progress("removing", unit="records") as shown:
            removed = database_upkeep.prune(target, retention.keep, shown.advance)
    except ServiceError as error:
        raise click.ClickException(error.message) from None
    click.echo(
        f"Removed {removed.runs:,} runs, {removed.transitions:,} transitions of others,"
        f" {removed.logs:,} log lines."
    )
