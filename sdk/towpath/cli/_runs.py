"""`towpath run`."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from towpath._state_type import StateType
from towpath.api.v1 import log_service_pb2, run_service_pb2, state_pb2
from towpath.cli._tables import print_table
from towpath.client import connect
from towpath.settings import get_settings

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

    from towpath.api.v1 import run_pb2

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_OUTPUT = click.option(
    "-o", "--output", type=click.Choice(["table", "json", "name"]), default="table"
)


@click.group()
def group() -> None:
    """See what runs did, and why."""


@group.command("ls")
@click.option("--kind", type=click.Choice(["flow", "task"]))
@click.option("--state", help="For example FAILED.")
@click.option("--flow", "flow_name", help="Id of a flow.")
@click.option("--parent", help="Runs that this run began.")
@click.option("--since", help="Age: 30m, 12h, 7d; or a time.")
@click.option("--limit", default=50, show_default=True)
@_OUTPUT
def list_runs(
    kind: str | None,
    state: str | None,
    flow_name: str | None,
    parent: str | None,
    since: str | None,
    limit: int,
    output: str,
) -> None:
    """List runs, newest first."""
    if state is not None and state.upper() not in StateType.__members__:
        raise click.BadParameter(f"there is no state {state!r}; there are {', '.join(StateType)}")
    with connect(get_settings()) as client:
        terms = [f"kind = {kind}"] if kind else []
        terms += [f"state = {state.upper()}"] if state else []
        terms += [f'flow = "{flow_name}"'] if flow_name else []
        terms += [f'parent_run = "{client.run(parent).run_id}"'] if parent else []
        terms += [f'create_time >= "{_since(since)}"'] if since else []
        runs = list(client.runs(filter_=" AND ".join(terms), limit=limit))
    if output == "json":
        click.echo(json.dumps([as_json(run) for run in runs], indent=2))
    elif output == "name":
        for run in runs:
            click.echo(run.run_id)
    else:
        rows = [
            (
                run.short_id,
                _state(run.state),
                _local(run.start_time) if run.HasField("start_time") else "-",
                f"{run.run_duration.ToMilliseconds() / 1000:.2f}s",
                run.display_name,
                f"{run.state_reason} {run.state_message}",
            )
            for run in runs
        ]
        print_table(("ID", "STATE", "STARTED", "RAN", "NAME", "WHY"), rows)


@group.command()
@click.argument("run_id")
@_OUTPUT
def inspect(run_id: str, output: str) -> None:
    """Show one run: its state, history and failure."""
    with connect(get_settings()) as client:
        run = client.run(run_id)
        decisions = client.decisions(run.run_id)
    if output == "json":
        click.echo(json.dumps({**as_json(run), "failure": run.failure.stack_trace}, indent=2))
        return
    click.echo(
        f"{run.display_name} · {run.short_id}  {_state(run.state)} {run.state_reason}".rstrip()
    )
    click.echo(f"id       run_{run.run_id}")
    click.echo(f"flow     {run.flow_name or '-'}")
    click.echo(f"attempt  {run.attempt}")
    if run.state_message:
        click.echo(f"message  {run.state_message}")
    for item in decisions:
        if item.verdict == run_service_pb2.RUN_VERDICT_ACCEPTED:
            click.echo(f"{item.revision:>7}  {_local(item.occur_time)}  {_state(item.to_state)}")
    if run.failure.stack_trace:
        click.echo(run.failure.stack_trace.rstrip())


@group.command()
@click.argument("run_id")
def why(run_id: str) -> None:
    """Show what was decided about a run, accepted and refused, by which rule."""
    with connect(get_settings()) as client:
        run = client.run(run_id)
        for item in client.decisions(run.run_id):
            accepted = item.verdict == run_service_pb2.RUN_VERDICT_ACCEPTED
            before = _state(item.from_state) if item.from_state else "new"
            line = (
                f"{_local(item.record_time)}  {'accepted' if accepted else 'REFUSED '}"
                f"  {before} -> {_state(item.to_state)}  {item.rule}  {item.reason} {item.message}"
            )
            click.echo(line.rstrip())


@group.command()
@click.argument("run_id")
@click.option("-f", "--follow", is_flag=True, help="Go on until the run has ended.")
def logs(run_id: str, *, follow: bool) -> None:
    """Show the log lines of a run and of all below it."""
    with connect(get_settings()) as client:
        run = client.run(run_id)
        lines = client.tail(run.run_id) if follow else client.logs(run.run_id)
        for line in lines:
            severity = log_service_pb2.LogSeverity.Name(line.severity).rpartition("_")[2]
            click.echo(f"{_local(line.occur_time)}  {severity:<5}  {line.body}")


@group.command()
@click.argument("run_id")
def watch(run_id: str) -> None:
    """Wait until a run has ended, and tell each of its states; exits 1 if it failed."""
    with connect(get_settings()) as client:
        run = client.run(run_id)
        shown = 0
        while True:
            if run.revision != shown:
                shown = run.revision
                click.echo(f"{_state(run.state)}  {run.display_name}  {run.state_message}".rstrip())
            if run.HasField("end_time"):
                break
            time.sleep(0.5)
            run = client.run(run.run_id)
    codes = {"COMPLETED": 0, "CANCELLED": 7, "TIMED_OUT": 124}
    raise SystemExit(codes.get(_state(run.state), 1))


@group.command()
@click.argument("run_id")
@click.option("--yes", is_flag=True, help="Don't ask.")
def delete(run_id: str, *, yes: bool) -> None:
    """Delete an ended run with all below it."""
    with connect(get_settings()) as client:
        run = client.run(run_id)
        if not yes:
            click.confirm(
                f"Delete {run.display_name} ({run.short_id}) and all below it?", abort=True
            )
        client.delete(run.run_id)
    click.echo(f"deleted {run.short_id}")


def as_json(run: run_pb2.Run) -> dict[str, Any]:
    """A run as `-o json` prints it."""
    return {
        "id": run.run_id,
        "short_id": run.short_id,
        "kind": "flow" if run.kind == 1 else "task",
        "name": run.display_name,
        "flow": run.flow_name,
        "task": run.task_name,
        "state": _state(run.state),
        "reason": run.state_reason,
        "message": run.state_message,
        "attempt": run.attempt,
        "parent_id": run.parent_run.rpartition("/")[2] or None,
        "tags": list(run.tags),
        "created": run.create_time.ToJsonString(),
        "started": run.start_time.ToJsonString() if run.HasField("start_time") else None,
        "ended": run.end_time.ToJsonString() if run.HasField("end_time") else None,
    }


def _state(state: Any) -> str:
    return state_pb2.RunState.Name(state).removeprefix("RUN_STATE_")


def _local(moment: Timestamp) -> str:
    return moment.ToDatetime(UTC).astimezone().strftime("%m-%d %H:%M:%S")


def _since(text: str) -> str:
    match = re.fullmatch(r"(\d+)([smhdw])", text)
    if match:
        moment = datetime.now(UTC) - timedelta(**{_UNITS[match[2]]: int(match[1])})
        return moment.isoformat()
    try:
        return datetime.fromisoformat(text).astimezone(UTC).isoformat()
    except ValueError:
        raise click.BadParameter("--since takes an age such as 30m, 12h or 7d, or a time") from None
