"""`towpath queue`. A queue is named by its pool and its id: "local/urgent"."""

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
from towpath.cli.shared.session import confirmed, note, service_client, yes_option
from towpath.cli.shared.times import local_minute
from towpath.cli.work.names import LABEL_WIDTH, limit_text, paused_text, split_queue

if TYPE_CHECKING:
    from towpath.client import WorkQueue

_queue = click.argument("queue", metavar="POOL/QUEUE")
_description = click.option("--description", help="Description of the queue.")
_limit = click.option(
    "--limit", type=click.IntRange(0), help="Most runs at once, over all workers; 0 for any."
)
_rank = click.option(
    "--rank", type=click.IntRange(1, 1000), help="Rank in the pool; lower ones start first."
)


@click.group(cls=CommandGroup)
def group() -> None:
    """Manage the queues of work pools."""


@group.command()
@_queue
@_description
@_limit
@_rank
@click.option("--paused", is_flag=True, help="Hand out no runs at first.")
def create(
    queue: str, description: str | None, limit: int | None, rank: int | None, *, paused: bool
) -> None:
    """Create a queue."""
    pool, id_ = split_queue(queue)
    with service_client() as client:
        client.queues.create(
            pool,
            id_,
            description=description or "",
            rank=rank or 100,
            paused=paused,
            concurrency_limit=limit,
        )
    note(f"queue {queue} created")


@group.command("ls")
@click.argument("pool", default="")
@list_output
def list_queues(pool: str, output: str) -> None:
    """List the queues of a pool, or of all pools."""
    with service_client() as client:
        pools = [pool] if pool else [item.id for item in client.pools.list()]
        queues = [queue for id_ in pools for queue in client.queues.list(id_)]
    print_list(
        queues,
        {
            "QUEUE": lambda item: f"{item.pool}/{item.id}",
            "RANK": lambda item: str(item.rank),
            "STATE": lambda item: paused_text(paused=item.paused),
            "QUEUED": lambda item: str(item.queued),
            "LEASED": lambda item: str(item.leased),
            "LIMIT": lambda item: limit_text(item.concurrency_limit),
            "DESCRIPTION": lambda item: item.description,
        },
        output,
        as_json=_as_json,
    )


@group.command()
@_queue
@text_output
def inspect(queue: str, output: str) -> None:
    """Show a queue."""
    with service_client() as client:
        found = client.queues.get(*split_queue(queue))
    if output == "json":
        print_json(_as_json(found))
    else:
        print_facts(_facts(found), width=LABEL_WIDTH)


@group.command()
@_queue
@_description
@_limit
@_rank
@click.option("--etag", default="", help="Etag that the queue must still have.")
def update(
    queue: str, description: str | None, limit: int | None, rank: int | None, etag: str
) -> None:
    """Change a queue; what isn't given stays."""
    if description is None and limit is None and rank is None:
        raise click.UsageError("name what is to change, for example --rank 1")
    pool, id_ = split_queue(queue)
    with service_client() as client:
        client.queues.update(
            pool, id_, description=description, rank=rank, concurrency_limit=limit, etag=etag
        )
    note(f"queue {queue} updated")


@group.command()
@_queue
def pause(queue: str) -> None:
    """Hand out no more runs; those that are leased continue."""
    pool, id_ = split_queue(queue)
    with service_client() as client:
        client.queues.update(pool, id_, paused=True)
    note(f"queue {queue} is paused: its runs wait until `towpath queue resume {queue}`")


@group.command()
@_queue
def resume(queue: str) -> None:
    """Hand out runs again."""
    pool, id_ = split_queue(queue)
    with service_client() as client:
        client.queues.update(pool, id_, paused=False)
    note(f"queue {queue} hands out runs again")


@group.command()
@_queue
@yes_option
def delete(queue: str, *, yes: bool) -> None:
    """Delete a queue that nothing uses."""
    pool, id_ = split_queue(queue)
    if confirmed(f"Delete queue {queue}?", yes=yes):
        with service_client() as client:
            client.queues.delete(pool, id_)
        note(f"queue {queue} deleted")


def _facts(queue: WorkQueue) -> list[tuple[str, str]]:
    return [
        ("name", queue.resource_name),
        ("description", queue.description or "-"),
        ("rank", str(queue.rank)),
        ("state", paused_text(paused=queue.paused)),
        ("runs queued", str(queue.queued)),
        ("runs leased", str(queue.leased)),
        ("limit", limit_text(queue.concurrency_limit) or "-"),
        ("created", local_minute(queue.created)),
        ("changed", local_minute(queue.changed)),
        ("etag", queue.etag),
    ]


def _as_json(queue: WorkQueue) -> dict[str, Any]:
    return json_object(
        name=queue.resource_name,
        description=queue.description,
        rank=queue.rank,
        paused=queue.paused,
        concurrency_limit=queue.concurrency_limit,
        queued_count=str(queue.queued) if queue.queued else "",
        leased_count=str(queue.leased) if queue.leased else "",
        create_time=queue.created,
        update_time=queue.changed,
        etag=queue.etag,
    )
