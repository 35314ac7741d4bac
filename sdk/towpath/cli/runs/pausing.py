"""`towpath run pause` and `towpath run resume`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click
import uuid_utils

from towpath._state_type import StateType
from towpath.cli.runs.watch import event_line
from towpath.cli.shared.pairs import pairs_of
from towpath.cli.shared.session import connected, note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath.client import Run


@click.command()
@click.argument("run")
@click.option("--message", "-m", default="", metavar="TEXT", help="Why, for people.")
def pause(run: str, message: str) -> None:
    """Pause a run until it is resumed.

    A run that waits for a worker leaves the queue. One that executes is paused by its process
    before its next task.
    """
    with connected() as client:
        found = client.run(run)
        paused = client.pause(found.id, message=message)
    click.echo(event_line(paused))
    if paused.state is not StateType.PAUSED:
        note("  its process pauses it before its next task")
    note(f"  `towpath run resume {paused.short_id}` lets it go on")


@click.command()
@click.argument("run")
@click.option(
    "-i", "--input", "given", multiple=True, metavar="NAME=VALUE", help="Input; repeatable."
)
@click.option("--key", default="", help="Key of the pause; by default, the one that it is in.")
def resume(run: str, given: Sequence[str], key: str) -> None:
    """Resume a paused or suspended run, with the input that it waits for.

    Values are read by the types that the run's code gives them, or else as JSON; what is no JSON
    is a text. A run is resumed once: the second of two answers is refused.
    """
    from towpath._deploy.plans import typed_parameters  # noqa: PLC0415 - loads pydantic

    texts = pairs_of("--input", given)
    with connected() as client:
        found = client.run(run)
        values = typed_parameters(_schema(found), texts)
        resumed = client.resume(
            found.id, values or None, key=key, request_id=str(uuid_utils.uuid7())
        )
    click.echo(event_line(resumed))
    if not resumed.state.terminal and resumed.reason == "BLOCKED":
        note("  its process goes on as soon as it has the answer")


def _schema(run: Run) -> dict[str, Any]:
    """The JSON Schema of the input that a run waits for; empty for none."""
    text = run.pause.input_schema if run.pause is not None else ""
    schema: dict[str, Any] = json.loads(text) if text else {}
    return schema
