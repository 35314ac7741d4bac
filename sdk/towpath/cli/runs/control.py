"""`towpath run cancel` and `towpath run explain`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import click

from towpath._display.words import printable
from towpath.cli.runs.many import Chosen, chosen_runs, filter_options, for_each
from towpath.cli.runs.watch import event_line
from towpath.cli.shared.errors import FAILED, OK
from towpath.cli.shared.output import print_json, text_output
from towpath.cli.shared.session import connected, note
from towpath.cli.shared.times import local_time

if TYPE_CHECKING:
    from towpath.client import Client, Explanation, Reason, Run

WAIT_SECONDS: Final = 120.0
"""Longest wait of --wait: the grace of most pools, and a margin."""
LOOK_SECONDS: Final = 0.5


@click.command()
@click.argument("run", required=False)
@click.option("--message", "-m", default="", metavar="TEXT", help="Why, for people.")
@click.option(
    "--grace",
    type=click.FloatRange(0, 86_400),
    metavar="SECONDS",
    help="Time to end by itself before the process is stopped; by default, the pool's.",
)
@click.option("--wait", is_flag=True, help="Wait until the end is confirmed, at most 2 minutes.")
@click.option("--dry-run", is_flag=True, help="Count the runs, and change nothing.")
@filter_options
def cancel(
    run: str | None,
    message: str,
    grace: float | None,
    chosen: Chosen,
    *,
    wait: bool,
    dry_run: bool,
) -> None:
    """Cancel a run and the flow runs below it.

    With --flow or --state instead of RUN, every run that matches is cancelled.

    A run that waits is cancelled at once. A running one is asked to end, and its process is stopped
    if it doesn't. The exit code is 0, or with --wait 1 if the end isn't confirmed in time.
    """
    with connected() as client:
        if run is None:
            open_runs = [each for each in chosen_runs(client, chosen) if not each.state.terminal]
            for_each(
                "cancel",
                open_runs,
                lambda each: client.cancel(each.id, message=message, grace_seconds=grace),
                chosen,
                dry_run,
            )
            return
        chosen.check_unused()
        found = client.run(run)
        if dry_run:
            click.echo(event_line(found))
            return
        answer = client.cancel(found.id, message=message, grace_seconds=grace)
        ended = _to_the_end(client, answer.run) if wait else answer.run
    click.echo(event_line(ended))
    if answer.descendants:
        runs = "1 run" if answer.descendants == 1 else f"{answer.descendants} runs"
        note(f"{runs} below it asked to end, too")
    if ended.state.terminal:
        raise SystemExit(OK)
    note(f"  `towpath run explain {ended.short_id}` shows what it waits for")
    raise SystemExit(FAILED if wait else OK)


@click.command()
@click.argument("run")
@text_output
def explain(run: str, output: str) -> None:
    """Explain what a run waits for, or why it is in its state, and what helps."""
    with connected() as client:
        found = client.run(run)
        explanation = client.explain(found.id)
    if output == "json":
        print_json(_as_json(explanation))
        return
    click.echo(f"{explanation.state} since {local_time(explanation.since)}")
    for reason in explanation.reasons:
        click.echo(f"  {printable(reason.message)}")
        if reason.command:
            click.echo(f"    try: {printable(reason.command)}")
    if not explanation.reasons:
        click.echo(f"  {_usual(found)}")


def _to_the_end(client: Client, run: Run) -> Run:
    """The run once it has ended, or as it is after the longest wait."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not run.state.terminal and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
        run = client.run(run.id)
    return run


def _usual(run: Run) -> str:
    return "it has ended as usual" if run.state.terminal else "nothing holds it up"


def _as_json(explanation: Explanation) -> dict[str, Any]:
    return {
        "state": str(explanation.state),
        "since": explanation.since.isoformat(),
        "reasons": [_reason_as_json(reason) for reason in explanation.reasons],
    }


def _reason_as_json(reason: Reason) -> dict[str, Any]:
    return {
        "kind": reason.kind,
        "message": reason.message,
        "command": reason.command,
        "resources": list(reason.resources),
        "ends": None if reason.ends is None else reason.ends.isoformat(),
        "position": reason.position,
    }
