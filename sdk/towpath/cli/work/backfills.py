"""`towpath backfill`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from towpath.cli.shared.groups import CommandGroup
from towpath.cli.shared.output import (
    json_object,
    list_output,
    print_facts,
    print_json,
    print_list,
    text_output,
)
from towpath.cli.shared.session import note, service_client
from towpath.cli.shared.times import local_minute, local_second
from towpath.cli.work.names import LABEL_WIDTH

if TYPE_CHECKING:
    from towpath.client import Backfill

_backfill = click.argument("backfill", metavar="BACKFILL")


@click.group(cls=CommandGroup)
def group() -> None:
    """Manage backfills, which are runs of a deployment for due times of the past."""


@group.command("ls")
@list_output
def list_backfills(output: str) -> None:
    """List backfills, newest first."""
    with service_client() as client:
        backfills = list(client.backfills.list())
    print_list(
        backfills,
        {
            "BACKFILL": lambda item: item.id,
            "DEPLOYMENT": lambda item: item.deployment,
            "FROM": lambda item: local_minute(item.start),
            "TO": lambda item: local_minute(item.end),
            "PROGRESS": progress,
            "CREATED": lambda item: local_minute(item.created_at),
        },
        output,
        as_json=backfill_json,
    )


@group.command()
@_backfill
@text_output
def inspect(backfill: str, output: str) -> None:
    """Show a backfill with its progress."""
    with service_client() as client:
        found = client.backfills.get(backfill)
    if output == "json":
        print_json(backfill_json(found))
        return
    print_facts(
        [
            ("id", found.id),
            ("deployment", found.deployment),
            ("schedule", found.schedule),
            ("from", local_second(found.start)),
            ("to", local_second(found.end)),
            ("progress", progress(found)),
            ("max active", str(found.max_active)),
            ("creator", found.creator),
            ("created", local_minute(found.created_at)),
        ],
        width=LABEL_WIDTH,
    )


@group.command()
@_backfill
def cancel(backfill: str) -> None:
    """Create no more runs by a backfill, and cancel those that wait; others continue."""
    with service_client() as client:
        now = client.backfills.cancel(backfill)
    note(f"backfill {backfill} is cancelled, {now.active} of its runs are unfinished")


def progress(backfill: Backfill) -> str:
    """The progress of a backfill in a line."""
    counts = f"{backfill.created} of {backfill.total} runs created, {backfill.active} unfinished"
    return f"{backfill.state}: {counts}"


def backfill_json(backfill: Backfill) -> dict[str, Any]:
    """The object that stands for a backfill in JSON."""
    return {
        **json_object(
            id=backfill.id,
            deployment=backfill.deployment,
            schedule_id=backfill.schedule,
            start_time=backfill.start,
            end_time=backfill.end,
            parameters=dict(backfill.parameters),
        ),
        "max_active": backfill.max_active,
        "total_count": backfill.total,
        "created_count": backfill.created,
        "active_count": backfill.active,
        **json_object(
            state=backfill.state,
            creator=backfill.creator,
            create_time=backfill.created_at,
            end_creation_time=backfill.ended_at,
        ),
    }
