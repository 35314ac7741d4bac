"""The commands of the group `towpath server db`."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING

import click
from towpath.settings import get_settings

from towpath_service.app.options import DatabaseOptions
from towpath_service.cli.database_option import existing_database, parsed_database
from towpath_service.cli.options import takes
from towpath_service.cli.progress import progress
from towpath_service.cli.retention import prune
from towpath_service.core.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Generator

    from towpath_service.database.upkeep.plan import Step


@click.group()
def db() -> None:
    """Look after the service's database."""


db.add_command(prune)


@db.command()
@takes(DatabaseOptions, "database")
@click.option("--to", "revision", default="head", help="Revision, such as 0001.  [default: newest]")
def upgrade(database: DatabaseOptions, revision: str) -> None:
    """Upgrade the tables to those that this version works with."""
    target = parsed_database(database, get_settings().home)
    from towpath_service.app import database_upkeep  # noqa: PLC0415 - Alembic and SQLAlchemy, 1 s

    with _errors_shown(), progress("upgrading", unit="migrations") as shown:

        def on_progress(done: int, total: int) -> None:
            shown.done, shown.total = done, total

        revisions = database_upkeep.upgrade(target, revision, on_progress)
    if revisions.before == revisions.after:
        click.echo(f"The schema is {revisions.after} already.")
    else:
        click.echo(f"The schema was {revisions.before or 'empty'} and is {revisions.after} now.")


@db.command()
@takes(DatabaseOptions, "database")
@click.option("--to", "revision", required=True, help='Revision, such as 0001, or "base" for none.')
@click.option("--yes", is_flag=True, help="Don't ask.")
def downgrade(database: DatabaseOptions, revision: str, *, yes: bool) -> None:
    """Downgrade the tables to those that an earlier version works with.

    Data that only the later version keeps is lost; with "base", all data is.
    """
    lost = "EVERYTHING in it" if revision == "base" else f"data that {revision} has no place for"
    if not yes:
        click.confirm(f"This deletes {lost}, for good. Go on?", abort=True)
    target = existing_database(database)
    from towpath_service.app import database_upkeep  # noqa: PLC0415 - only after the answer

    with _errors_shown():
        revisions = database_upkeep.downgrade(target, revision)
    click.echo(f"The schema is {revisions.after or 'empty'} now.")


@db.command()
@takes(DatabaseOptions, "database")
def plan(database: DatabaseOptions) -> None:
    """Show the statements that `upgrade` would run, their locks, and how many rows they touch."""
    target = existing_database(database)
    from towpath_service.app import database_upkeep  # noqa: PLC0415 - Alembic, which plans, 1 s

    with _errors_shown():
        steps = database_upkeep.upgrade_plan(target)
    if not steps:
        click.echo("Nothing to do: the schema is the one that this version works with.")
        return
    for (lock, effect), group in groupby(steps, key=lambda step: (step.lock, step.effect)):
        click.secho(f"-- lock: {lock}; {effect}", dim=True)
        for step in group:
            click.echo(f"{step.statement};{_rows(step)}")
    click.echo(f"-- {len(steps)} statements, in one transaction: all of it or nothing happens.")


@db.command()
@takes(DatabaseOptions, "database")
def size(database: DatabaseOptions) -> None:
    """Show how large the database is, table by table."""
    target = existing_database(database)
    from rich.console import Console  # noqa: PLC0415 - 0.1 s; no other command prints a table
    from rich.table import Table  # noqa: PLC0415 - of the same 0.1 s

    from towpath_service.app import database_upkeep  # noqa: PLC0415 - SQLAlchemy, 0.5 s

    with _errors_shown():
        found = database_upkeep.measure(target)
    shown = Table(box=None, pad_edge=False)
    shown.add_column("TABLE")
    for title in ("ROWS", "DATA", "INDEXES", "TOTAL"):
        shown.add_column(title, justify="right")
    for row in found.tables:
        amounts = (row.table_bytes, row.index_bytes, row.total_bytes)
        shown.add_row(row.table, f"{row.rows:,}", *map(_bytes, amounts))
    shown.add_row("whole database", "", "", "", _bytes(found.whole_bytes))
    Console().print(shown)


@contextmanager
def _errors_shown() -> Generator[None]:
    """Ends the command with the message of an error of the service."""
    try:
        yield
    except ServiceError as error:
        raise click.ClickException(error.message) from None


def _rows(step: Step) -> str:
    return f"  -- {step.table}: {step.rows:,} rows" if step.rows else ""


def _bytes(amount: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:  # noqa: PLR2004 - SI prefixes
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"
