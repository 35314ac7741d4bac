"""`towpath results`."""

from __future__ import annotations

import click

from towpath._clock import system_clock
from towpath._results.opening import store_of
from towpath.cli.shared.errors import CommandError
from towpath.cli.shared.groups import CommandGroup
from towpath.cli.shared.output import print_json, text_output
from towpath.cli.shared.session import checked_settings


@click.group(cls=CommandGroup)
def group() -> None:
    """Manage stored results."""


@group.command()
@text_output
def sweep(output: str) -> None:
    """Remove stored results that have expired.

    It looks in the place that results.url names, or in this home, and reads each result there.
    """
    try:
        removed, left = store_of(checked_settings()).sweep(system_clock.time())
    except OSError as error:
        raise CommandError(
            f"stored results can't be read: {error}",
            hint="check results.url and the credentials of its store",
        ) from error
    if output == "json":
        print_json({"removed": removed, "left": left})
    else:
        click.echo(f"{removed} expired results removed, {left} left")
