"""`towpath flow`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from towpath.cli.shared.groups import CommandGroup
from towpath.cli.shared.output import list_output, print_json
from towpath.cli.shared.session import connected, note
from towpath.cli.shared.tables import Column, print_table
from towpath.cli.shared.times import local_time, rfc3339

if TYPE_CHECKING:
    from towpath.client import FlowSummary


@click.group(cls=CommandGroup)
def group() -> None:
    """List flows."""


@group.command("ls")
@list_output
def list_flows(output: str) -> None:
    """List flows, with the number of their runs by state."""
    with connected() as client:
        flows = list(client.flows())
    if output == "json":
        print_json([_as_json(flow) for flow in flows])
    elif output == "name":
        for flow in flows:
            click.echo(flow.id)
    elif not flows:
        note("There are no flows yet: a flow is listed after its first run.")
    else:
        _print(flows, wide=output == "wide")


def _print(flows: list[FlowSummary], *, wide: bool) -> None:
    last = [flow.last_run for flow in flows]
    columns = [
        Column(title="FLOW", cells=[flow.name for flow in flows], most=1_000 if wide else 40),
        Column(title="ID", cells=[flow.id for flow in flows], rank=2),
        Column(title="LAST", cells=[run.short_id if run else "-" for run in last], rank=1),
        Column(
            title="CREATED", cells=[local_time(run.created) if run else "-" for run in last], rank=3
        ),
        Column(title="RUNS", cells=[_counts(flow) for flow in flows]),
    ]
    print_table(columns, wide=wide)


def _counts(flow: FlowSummary) -> str:
    return ", ".join(f"{count} {state}" for state, count in flow.run_counts.items()) or "-"


def _as_json(flow: FlowSummary) -> dict[str, Any]:
    return {
        "id": flow.id,
        "name": flow.name,
        "runs": {str(state): count for state, count in flow.run_counts.items()},
        "last_run_id": flow.last_run.id if flow.last_run else None,
        "created": rfc3339(flow.created),
    }
