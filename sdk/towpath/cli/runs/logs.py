"""`towpath run logs`."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

import click

from towpath._display.words import printable
from towpath.cli.runs.run_values import log_line_as_json
from towpath.cli.shared.output import print_json, print_json_line, text_output
from towpath.cli.shared.session import connected, note
from towpath.cli.shared.times import local_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from towpath.client import Client, LogLine

_CHUNK: Final = 1000
_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@click.command()
@click.argument("run")
@click.option("-f", "--follow", is_flag=True, help="Follow new lines until the run has ended.")
@click.option(
    "--level",
    type=click.Choice(_LEVELS, case_sensitive=False),
    default="DEBUG",
    help="Least serious level.",
)
@text_output
def logs(run: str, level: str, output: str, *, follow: bool) -> None:
    """Show the log lines of a run and of all runs below it.

    With --follow, -o json prints one object per line.
    """
    with connected(following=follow) as client:
        found = client.run(run)
        lines = (client.tail if follow else client.logs)(found.id, level=level)
        if output == "json" and follow:
            for line in lines:
                print_json_line(log_line_as_json(line))
        elif output == "json":
            print_json([log_line_as_json(line) for line in lines])
        elif not _print(client, lines, chunk=1 if follow else _CHUNK):
            note("The run has no log lines.")


def _print(client: Client, lines: Iterator[LogLine], *, chunk: int) -> bool:
    """Prints lines with the names of their runs; returns whether there were any."""
    names: dict[str, str] = {}
    some = False
    while part := list(islice(lines, chunk)):
        some = True
        _add_names(client, names, part)
        for line in part:
            name = printable(names.get(line.run_id, ""))
            body = printable(line.body, lines=True)
            click.echo(f"{local_time(line.time)}  {line.severity:<5}  {name}  {body}")
            if line.failure is not None and line.failure.stack_trace:
                click.echo(printable(line.failure.stack_trace, lines=True).rstrip())
    return some


def _add_names(client: Client, names: dict[str, str], lines: Iterable[LogLine]) -> None:
    unknown = {line.run_id for line in lines} - names.keys()
    if unknown:
        found = client.runs_by_id(unknown)
        names |= {id_: found[id_].name if id_ in found else "" for id_ in unknown}
