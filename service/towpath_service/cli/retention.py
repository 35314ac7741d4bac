"""The command `towpath server db prune`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from towpath_service.app.options import DatabaseOptions, RetentionOptions
from towpath_service.cli.database_option import existing_database
from towpath_service.cli.options import takes
from towpath_service.core.errors import ServiceError

if TYPE_CHECKING:
    from pathlib import Path

    from towpath_service.database.postgres_url import PostgresUrl
    from towpath_service.runs.application.retention import Keep


@click.command()
@takes(DatabaseOptions, "database")
@takes(RetentionOptions, "retention")
def prune(database: DatabaseOptions, retention: RetentionOptions) -> None:
    """Remove what is older than is kept now; a running server does it every hour."""
    target = existing_database(database)
    try:
        click.echo(asyncio.run(_sweep(target, retention.keep)))
    except ServiceError as error:
        raise click.ClickException(error.message) from None


async def _sweep(target: Path | PostgresUrl, keep: Keep) -> str:
    # The whole service does the work, which takes a second to import.
    from towpath_service.app.wiring import open_service  # noqa: PLC0415 - as the line before says

    async with open_service(target, keep=keep) as service:
        removed = await service.retention.sweep(pausing=False)
    return (
        f"Removed {removed.runs:,} runs, {removed.transitions:,} transitions of others,"
        f" {removed.logs:,} log lines."
    )
