"""The commands of the group `towpath server db`."""

from __future__ import annotations

import asyncio
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
from towpath.settings import get_settings

from towpath_service.cli.retention import keep_options
from towpath_service.core.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from towpath_service.database.postgres_url import PostgresUrl
    from towpath_service.database.upkeep.plan import Step

Result = TypeVar("Result")

database_option = click.option(
    "--database",
    metavar="FILE|URL",
    envvar="TOWPATH_SERVER_DATABASE",
    help="SQLite file, sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE."
    "  [default: towpath.db in the Towpath home]",
)


def database_of(database: str | None, home: Path) -> Path | PostgresUrl:
    """The database that an option names.

    Raises:
        click.UsageError: It is none that there could be.
    """
    from towpath_service.database.database_urls import parse_database  # noqa: PLC0415 - heavy

    try:
        return parse_database(database, home)
    except ServiceError as error:
        raise click.UsageError(f"--database: {error.message}") from None


@click.group()
def db() -> None:
    """Look after the service's database."""


@db.command()
@database_option
@click.option("--to", "revision", default="head", help="Revision, such as 0001.  [default: newest]")
def upgrade(database: str | None, revision: str) -> None:
    """Bring the tables to what this version works with."""
    from towpath_service.database import upgrade as schema  # noqa: PLC0415 - heavy

    def work(connection: Connection) -> tuple[str | None, str | None]:
        before = schema.current_revision(connection)
        schema.upgrade(connection, _known(revision))
        return before, schema.current_revision(connection)

    before, after = _at(database, work, create=True)
    if before == after:
        click.echo(f"The schema is {after} already.")
    else:
        click.echo(f"The schema was {before or 'empty'} and is {after} now.")


@db.command()
@database_option
@click.option("--to", "revision", required=True, help='Revision, such as 0001, or "base" for none.')
@click.option("--yes", is_flag=True, help="Don't ask.")
def downgrade(database: str | None, revision: str, *, yes: bool) -> None:
    """Take the tables back to what an earlier version works with.

    What only the later version keeps is lost; with "base", everything is.
    """
    from towpath_service.database import upgrade as schema  # noqa: PLC0415 - heavy

    lost = "EVERYTHING in it" if revision == "base" else f"what {revision} has no place for"
    if not yes:
        click.confirm(f"This deletes {lost}, for good. Go on?", abort=True)

    def work(connection: Connection) -> str | None:
        schema.downgrade(connection, _known(revision))
        return schema.current_revision(connection)

    click.echo(f"The schema is {_at(database, work) or 'empty'} now.")


@db.command()
@database_option
def plan(database: str | None) -> None:
    """Show what `upgrade` would run, what it locks and how many rows that touches."""
    from towpath_service.database.upkeep.plan import plan as read_plan  # noqa: PLC0415 - heavy

    steps = _at(database, read_plan)
    if not steps:
        click.echo("Nothing to do: the schema is what this version works with.")
        return
    for (lock, effect), group in groupby(steps, key=lambda step: (step.lock, step.effect)):
        click.secho(f"-- lock: {lock}; {effect}", dim=True)
        for step in group:
            click.echo(f"{step.statement};{_rows(step)}")
    click.echo(f"-- {len(steps)} statements, in one transaction: all of it or nothing happens.")


@db.command()
@database_option
@keep_options
def prune(
    database: str | None,
    keep_runs: float | None,
    keep_transitions: float | None,
    keep_logs: float | None,
) -> None:
    """Remove now what is older than is kept, which a running server does by the hour."""
    from towpath_service.app.wiring import open_service  # noqa: PLC0415 - heavy
    from towpath_service.runs.application.retention import Keep  # noqa: PLC0415 - heavy

    target = _existing(database)
    keep = Keep(runs=keep_runs, transitions=keep_transitions, logs=keep_logs)

    async def sweep() -> str:
        async with open_service(target, keep=keep) as service:
            removed = await service.retention.sweep(pausing=False)
            return (
                f"Removed {removed.runs:,} runs, {removed.transitions:,} transitions of others,"
                f" {removed.logs:,} log lines."
            )

    try:
        click.echo(asyncio.run(sweep()))
    except ServiceError as error:
        raise click.ClickException(error.message) from None


@db.command()
@database_option
def size(database: str | None) -> None:
    """Show how large the database is, table by table."""
    from rich.console import Console  # noqa: PLC0415 - heavy
    from rich.table import Table  # noqa: PLC0415 - heavy

    from towpath_service.database.upkeep import size as sizes  # noqa: PLC0415 - heavy

    def work(connection: Connection) -> tuple[list[sizes.TableSize], int]:
        return sizes.table_sizes(connection), sizes.database_bytes(connection)

    tables, whole = _at(database, work)
    shown = Table(box=None, pad_edge=False)
    shown.add_column("TABLE")
    for title in ("ROWS", "DATA", "INDEXES", "TOTAL"):
        shown.add_column(title, justify="right")
    for row in tables:
        amounts = (row.table_bytes, row.index_bytes, row.total_bytes)
        shown.add_row(row.table, f"{row.rows:,}", *map(_bytes, amounts))
    shown.add_row("whole database", "", "", "", _bytes(whole))
    Console().print(shown)


def _at(
    database: str | None, work: Callable[[Connection], Result], *, create: bool = False
) -> Result:
    from towpath_service.database.upkeep.maintenance import at_database  # noqa: PLC0415 - heavy

    target = _existing(database, create=create)
    try:
        return asyncio.run(at_database(target, lambda connection: _explained(work, connection)))
    except ServiceError as error:
        raise click.ClickException(error.message) from None


def _existing(database: str | None, *, create: bool = False) -> Path | PostgresUrl:
    target = database_of(database, get_settings().home)
    if isinstance(target, Path) and not (create or target.exists()):
        raise click.ClickException(
            f"there is no database {target} yet: `towpath server start` makes it, or name another"
            " with --database"
        )
    return target


def _explained(work: Callable[[Connection], Result], connection: Connection) -> Result:
    from alembic.util import CommandError  # noqa: PLC0415 - heavy

    try:
        return work(connection)
    except CommandError as error:
        raise ServiceError(reason="DATABASE_UNUSABLE", message=str(error)) from error


def _known(revision: str) -> str:
    from towpath_service.database.upgrade import revisions  # noqa: PLC0415 - heavy

    known = [*revisions(), "head", "base"]
    if revision not in known:
        raise ServiceError(
            reason="DATABASE_UNUSABLE",
            message=f"there is no revision {revision!r}: choose one of {', '.join(known)}",
        )
    return revision


def _rows(step: Step) -> str:
    return f"  -- {step.table}: {step.rows:,} rows" if step.rows else ""


def _bytes(amount: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:  # noqa: PLR2004 - SI prefixes
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"
