"""`towpath run`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import click

from towpath._display.words import printable, span
from towpath._settings.current import get_settings
from towpath.cli.runs.control import cancel, explain
from towpath.cli.runs.filters import any_state, flow_id_of, since_time
from towpath.cli.runs.logs import logs
from towpath.cli.runs.many import Chosen, chosen_runs, filter_options, for_each
from towpath.cli.runs.pausing import pause, resume
from towpath.cli.runs.retrying import retry
from towpath.cli.runs.run_values import (
    decision_as_json,
    detail_as_json,
    origin_facts,
    print_runs,
    ran,
    run_as_json,
)
from towpath.cli.runs.time_spent import time_spent
from towpath.cli.runs.watch import event_line, watch
from towpath.cli.shared.groups import CommandGroup
from towpath.cli.shared.output import list_output, print_json, print_json_line, text_output
from towpath.cli.shared.session import confirmed, connected, note, progress
from towpath.cli.shared.tables import Column, print_table
from towpath.cli.shared.times import local_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towpath.client import Client, Run, Transition


_OUTERMOST: Final = ("kind = flow", 'parent_run = ""')
"""The condition for flow runs that no other run started."""


@click.group(cls=CommandGroup)
def group() -> None:
    """List, inspect, follow, cancel, retry and delete runs.

    RUN is the id of a run, or the last 4 to 8 characters of the short id in the list.
    """


group.add_command(cancel)
group.add_command(explain)
group.add_command(pause)
group.add_command(resume)
group.add_command(retry)
group.add_command(logs)
group.add_command(watch)


@group.command("ls")
@click.option("--all", "everything", is_flag=True, help="List runs within flow runs, too.")
@click.option(
    "--kind", type=click.Choice(["flow", "task"]), help="Kind of the runs, also within flow runs."
)
@click.option(
    "--state",
    "states",
    multiple=True,
    metavar="STATE",
    help="State of the runs, such as FAILED; repeatable.",
)
@click.option("--flow", metavar="FLOW", help="Name or id of the runs' flow.")
@click.option("--parent", metavar="RUN", help="Run that started the runs.")
@click.option(
    "--since",
    metavar="AGE",
    help="Greatest age, such as 30m, 12h or 7d, or a time such as 2026-11-01.",
)
@click.option(
    "--limit", type=click.IntRange(1), default=50, show_default=True, help="Most runs to list."
)
@click.option("-f", "--follow", is_flag=True, help="Follow changes until Ctrl-C.")
@list_output
def list_runs(
    kind: str | None,
    states: tuple[str, ...],
    flow: str | None,
    parent: str | None,
    since: str | None,
    limit: int,
    output: str,
    *,
    everything: bool,
    follow: bool,
) -> None:
    """List flow runs, newest first.

    --kind, --parent and --all list what runs within them, too: subflows and tasks. With --follow,
    -o json prints one object per line.
    """
    narrow = not (everything or kind or parent)
    terms = [f"kind = {kind}"] if kind else list(_OUTERMOST) if narrow else []
    terms += [any_state(states)] if states else []
    terms += [f'create_time >= "{since_time(since)}"'] if since else []
    with connected(following=follow) as client:
        terms += [f'flow = "{flow_id_of(client, flow)}"'] if flow else []
        terms += [f'parent_run = "{client.run(parent).id}"'] if parent else []
        filter_ = " AND ".join(terms)
        none = _nothing(narrow=narrow, filtered=len(terms) > len(_OUTERMOST) * narrow)
        if follow:
            _follow(client, filter_, limit, output, none=none)
        else:
            _print(list(client.runs(filter_=filter_, limit=limit)), output, none=none)


@group.command()
@click.argument("run")
@text_output
def inspect(run: str, output: str) -> None:
    """Show a run: state, history, failure and arguments."""
    with connected() as client:
        found = client.run(run)
        history = list(client.transitions(found.id))
    if output == "json":
        spent = time_spent(found, history, datetime.now(UTC))
        print_json({**detail_as_json(found, history), "time_spent_seconds": spent})
        return
    spent = time_spent(found, history, datetime.now(UTC))
    for title, text in [*_facts(found), ("time", _causes(spent))]:
        if not text:
            continue
        click.echo(f"{title:<9} {text}")
    click.echo()
    _print_history(history)
    if found.failure is not None:
        click.echo()
        trace = found.failure.stack_trace or f"{found.failure.type}: {found.failure.message}"
        click.echo(printable(trace, lines=True).rstrip())


@group.command()
@click.argument("run")
@text_output
def why(run: str, output: str) -> None:
    """Show the decisions about a run's updates: accepted or refused, and by which rule."""
    with connected() as client:
        found = client.run(run)
        decisions = list(client.decisions(found.id))
    if output == "json":
        print_json([decision_as_json(item) for item in decisions])
        return
    changes = [f"{item.before or 'new'} -> {item.after}" for item in decisions]
    print_table(
        [
            Column(title="DECIDED", cells=[local_time(item.recorded) for item in decisions]),
            Column(title="", cells=["ok" if item.accepted else "REFUSED" for item in decisions]),
            Column(title="CHANGE", cells=changes),
            Column(title="RULE", cells=[item.rule for item in decisions]),
            Column(title="WHY", cells=[f"{item.reason} {item.message}" for item in decisions]),
        ],
        wide=True,
    )


@group.command()
@click.argument("runs", nargs=-1, metavar="[RUN...]")
@click.option("--dry-run", is_flag=True, help="Count the runs, and change nothing.")
@filter_options
def delete(runs: tuple[str, ...], chosen: Chosen, *, dry_run: bool) -> None:
    """Delete ended runs, each with all runs below it.

    With --flow or --state instead of RUN, every run that matches is deleted.
    """
    yes = chosen.yes
    with connected() as client:
        if not runs:
            matching = [run for run in chosen_runs(client, chosen) if run.state.terminal]
            for_each("delete", matching, lambda run: client.delete(run.id), chosen, dry_run)
            return
        chosen.check_unused()
        found = [client.run(run) for run in runs]
        names = ", ".join(f"{printable(run.name)} ({run.short_id})" for run in found)
        if not confirmed(f"Delete {names} and all runs below?", yes=yes):
            note("no run was deleted")
            raise SystemExit(1)
        deleted: list[str] = []
        try:
            with progress("deleting", unit="runs and all below", total=len(found)) as shown:
                for run in found:
                    client.delete(run.id)
                    shown.advance()
                    deleted.append(run.short_id)
        finally:
            for short_id in deleted:
                note(f"deleted {short_id}")


def _nothing(*, narrow: bool, filtered: bool) -> str:
    """What a list without runs says."""
    if narrow:
        what = "No flow run matches" if filtered else "There are no flow runs"
        return f"{what}: run a script with a @flow, or list subflows and tasks with --all."
    return "No run matches." if filtered else "There are no runs yet: run a script with a @flow."


def _print(runs: list[Run], output: str, *, none: str) -> None:
    if output == "json":
        print_json([run_as_json(run) for run in runs])
    elif output == "name":
        for run in runs:
            click.echo(f"run_{run.id}")
    elif runs:
        print_runs(runs, wide=output == "wide")
    else:
        note(none)


def _follow(client: Client, filter_: str, limit: int, output: str, *, none: str) -> None:
    runs, events = client.runs_then_changes(filter_=filter_, limit=min(limit, 500))
    if output in {"table", "wide"}:
        _print(runs, output, none=none)
    else:
        for run in reversed(runs):
            _print_followed(run, output)
    for event in events:
        if event.run is not None:
            _print_followed(event.run, output)


def _print_followed(run: Run, output: str) -> None:
    if output == "json":
        print_json_line(run_as_json(run))
    elif output == "name":
        click.echo(f"run_{run.id}")
    else:
        click.echo(event_line(run))


def _facts(run: Run) -> list[tuple[str, str]]:
    children = ", ".join(f"{count} {state}" for state, count in run.child_counts.items())
    state = f"{run.state} {run.reason}".strip()
    facts = [
        ("run", f"{printable(run.name)} · {run.short_id}"),
        ("state", state + (f": {printable(run.message)}" if run.message else "")),
        ("started", local_time(run.started) if run.started else ""),
        ("ran", ran(run)),
        ("ended", local_time(run.ended) if run.ended else ""),
        *origin_facts(run),
        ("attempt", str(run.attempt)),
        ("arguments", printable(run.parameters)),
        ("children", children),
        ("flow", printable(run.flow)),
        ("task", printable(run.task)),
        ("kind", run.kind),
        ("tags", ", ".join(map(printable, run.tags))),
        ("version", printable(run.code_version)),
        ("parent", f"run_{run.parent_id}" if run.parent_id else ""),
        ("id", f"run_{run.id}"),
        (_creation(run), local_time(run.created)),
        ("trace", _trace(run.trace_id)),
    ]
    return [(title, text) for title, text in facts if text]


def _causes(spent: Mapping[str, float]) -> str:
    """What the time of a run went to, in words."""
    return ", ".join(f"{cause} {span(seconds)}" for cause, seconds in spent.items())


def _creation(run: Run) -> str:
    """The title of the time when the service made the record of a run."""
    late = run.ended is not None and run.created > run.ended
    return "recorded" if late or run.observed_late else "created"


def _trace(trace_id: str) -> str:
    """A trace's id, with its URL if the setting telemetry.trace_url is set."""
    url = get_settings().trace_url
    return f"{trace_id}  {url.replace('{trace_id}', trace_id)}" if trace_id and url else trace_id


def _print_history(history: list[Transition]) -> None:
    print_table(
        [
            Column(title="WHEN", cells=[local_time(item.occurred) for item in history]),
            Column(title="STATE", cells=[item.after for item in history]),
            Column(title="ATTEMPT", cells=[str(item.attempt) for item in history], rank=1),
            Column(title="WHY", cells=[f"{item.reason} {item.message}" for item in history]),
        ],
        wide=True,
    )
