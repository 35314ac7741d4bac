"""`towpath flow`."""

from __future__ import annotations

import json
from typing import Any

import click

from towpath.api.v1 import state_pb2
from towpath.cli._tables import print_table
from towpath.client import connect
from towpath.settings import get_settings


@click.group()
def group() -> None:
    """See which flows there are."""


@group.command("ls")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table")
def list_flows(output: str) -> None:
    """List flows, with what became of their runs."""
    with connect(get_settings()) as client:
        rows: list[dict[str, Any]] = [
            {
                "id": flow.name.rpartition("/")[2],
                "name": flow.display_name,
                "runs": {
                    state_pb2.RunState.Name(item.state).removeprefix("RUN_STATE_"): item.count
                    for item in flow.run_counts
                },
            }
            for flow in client.flows()
        ]
    if output == "json":
        click.echo(json.dumps(rows, indent=2))
        return
    print_table(
        ("FLOW", "RUNS"),
        [
            (
                str(row["name"]),
                ", ".join(f"{count} {state}" for state, count in row["runs"].items()),
            )
            for row in rows
        ],
    )
