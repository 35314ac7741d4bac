"""`towpath worker`. A worker is named by its pool and its id: "local/w-1"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from towpath._work.worker_events import CLOCK_SECONDS
from towpath.cli.shared.groups import CommandGroup
from towpath.cli.shared.output import json_object, json_span, list_output, print_list
from towpath.cli.shared.session import confirmed, note, service_client, yes_option
from towpath.cli.shared.times import local_minute
from towpath.cli.work.names import split_worker
from towpath.cli.work.worker_start import start

if TYPE_CHECKING:
    from datetime import timedelta

    from towpath.client import Worker

_worker = click.argument("worker", metavar="POOL/WORKER")


@click.group(cls=CommandGroup)
def group() -> None:
    """Start and manage workers, which execute the runs of a pool."""


group.add_command(start)


@group.command("ls")
@click.argument("pool", default="")
@list_output
def list_workers(pool: str, output: str) -> None:
    """List the workers of a pool, or of all pools."""
    with service_client() as client:
        pools = [pool] if pool else [item.id for item in client.pools.list()]
        workers = [worker for id_ in pools for worker in client.workers.list(id_)]
    print_list(
        workers,
        {
            "WORKER": lambda item: f"{item.pool}/{item.id}",
            "STATE": lambda item: item.state,
            "RUNS": lambda item: f"{item.leased}/{item.slots}",
            "QUEUES": lambda item: ",".join(item.queues) or "all",
            "HOST": lambda item: item.host,
            "VERSION": lambda item: item.version,
            "CLOCK": lambda item: _clock(item.clock_offset),
            "SEEN": lambda item: local_minute(item.seen),
        },
        output,
        as_json=_as_json,
    )


@group.command()
@_worker
def drain(worker: str) -> None:
    """Have a worker take no more runs; it finishes those that it has."""
    with service_client() as client:
        drained = client.workers.drain(*split_worker(worker))
    note(f"worker {worker} takes no more runs; it has {drained.leased}")


@group.command()
@_worker
def pause(worker: str) -> None:
    """Have a worker take no runs until it is resumed, also after a restart."""
    with service_client() as client:
        paused = client.workers.pause(*split_worker(worker))
    note(f"worker {worker} takes no runs until it is resumed; it has {paused.leased}")


@group.command()
@_worker
def resume(worker: str) -> None:
    """Have a paused worker take runs again."""
    with service_client() as client:
        client.workers.resume(*split_worker(worker))
    note(f"worker {worker} takes runs again")


@group.command("rm")
@_worker
@yes_option
def remove(worker: str, *, yes: bool) -> None:
    """Delete the record of a worker that is offline."""
    pool, id_ = split_worker(worker)
    if confirmed(f"Delete the record of worker {worker}?", yes=yes):
        with service_client() as client:
            client.workers.delete(pool, id_)
        note(f"record of worker {worker} deleted")


def _clock(offset: timedelta | None) -> str:
    """How far a worker's clock is off the server's, if that is worth a warning."""
    if offset is None:
        return "-"
    seconds = offset.total_seconds()
    if abs(seconds) <= CLOCK_SECONDS:
        return "ok"
    return f"{abs(seconds):.0f}s {'ahead' if seconds > 0 else 'behind'}"


def _as_json(worker: Worker) -> dict[str, Any]:
    return json_object(
        name=worker.resource_name,
        instance_id=worker.instance,
        state=f"WORKER_STATE_{worker.state.upper()}",
        slots=worker.slots,
        leased_count=worker.leased,
        queues=list(worker.queues),
        **({"labels": dict(worker.labels)} if worker.labels else {}),
        version=worker.version,
        host=worker.host,
        create_time=worker.created,
        seen_time=worker.seen,
        principal=worker.principal,
        clock_offset=json_span(worker.clock_offset) if worker.clock_offset else None,
        paused=worker.paused,
    )
