"""`towpath pool`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from towpath.cli.shared.groups import CommandGroup
from towpath.cli.shared.output import (
    json_object,
    json_span,
    list_output,
    print_facts,
    print_json,
    print_list,
    text_output,
)
from towpath.cli.shared.session import confirmed, note, service_client, yes_option
from towpath.cli.shared.times import local_minute
from towpath.cli.work.names import LABEL_WIDTH, JsonObject, Span, limit_text, paused_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from towpath.client import WorkPool

_OPTIONS = (
    click.option("--description", help="Description of the pool."),
    click.option(
        "--limit", type=click.IntRange(0), help="Most runs at once, over all workers; 0 for any."
    ),
    click.option(
        "--job-template", type=JsonObject(), help="Template of each run's job, or @FILE for it."
    ),
    click.option("--lease", type=Span(), help="How long a lease lasts without a renewal."),
    click.option("--start-timeout", type=Span(), help="How long a worker has to start a run."),
    click.option("--grace", type=Span(), help="How long a cancelled run has to end by itself."),
)


def _settings(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.group(cls=CommandGroup)
def group() -> None:
    """Manage work pools, whose workers execute the runs of deployments."""


@group.command()
@click.argument("pool")
@click.option("--kind", default="process", show_default=True, help="How its workers execute runs.")
@click.option("--paused", is_flag=True, help="Hand out no runs at first.")
@_settings
def create(
    pool: str,
    kind: str,
    description: str | None,
    limit: int | None,
    job_template: dict[str, Any] | None,
    lease: timedelta | None,
    start_timeout: timedelta | None,
    grace: timedelta | None,
    *,
    paused: bool,
) -> None:
    """Create a work pool with its default queue."""
    with service_client() as client:
        created = client.pools.create(
            pool,
            kind=kind,
            description=description or "",
            job_template=job_template,
            paused=paused,
            concurrency_limit=limit,
            lease_duration=lease,
            start_timeout=start_timeout,
            cancel_grace_period=grace,
        )
    note(f"pool {created.id} created: `towpath worker start --pool {created.id}` serves it")


@group.command("ls")
@list_output
def list_pools(output: str) -> None:
    """List work pools, with their runs and workers."""
    with service_client() as client:
        pools = list(client.pools.list())
    print_list(
        pools,
        {
            "POOL": lambda item: item.id,
            "KIND": lambda item: item.kind,
            "STATE": lambda item: paused_text(paused=item.paused),
            "WORKERS": lambda item: str(item.online_workers),
            "QUEUED": lambda item: str(item.queued),
            "LEASED": lambda item: str(item.leased),
            "LIMIT": lambda item: limit_text(item.concurrency_limit),
            "DESCRIPTION": lambda item: item.description,
        },
        output,
        as_json=_as_json,
    )


@group.command()
@click.argument("pool")
@text_output
def inspect(pool: str, output: str) -> None:
    """Show a work pool."""
    with service_client() as client:
        found = client.pools.get(pool)
    if output == "json":
        print_json(_as_json(found))
    else:
        print_facts(_facts(found), width=LABEL_WIDTH)


@group.command()
@click.argument("pool")
@_settings
@click.option("--etag", default="", help="Etag that the pool must still have.")
def update(
    pool: str,
    description: str | None,
    limit: int | None,
    job_template: dict[str, Any] | None,
    lease: timedelta | None,
    start_timeout: timedelta | None,
    grace: timedelta | None,
    etag: str,
) -> None:
    """Change a work pool; what isn't given stays."""
    given = (description, limit, job_template, lease, start_timeout, grace)
    if all(value is None for value in given):
        raise click.UsageError("name what is to change, for example --limit 4")
    with service_client() as client:
        client.pools.update(
            pool,
            description=description,
            job_template=job_template,
            concurrency_limit=limit,
            lease_duration=lease,
            start_timeout=start_timeout,
            cancel_grace_period=grace,
            etag=etag,
        )
    note(f"pool {pool} updated")


@group.command()
@click.argument("pool")
def pause(pool: str) -> None:
    """Hand out no more runs; those that are leased continue."""
    with service_client() as client:
        client.pools.update(pool, paused=True)
    note(f"pool {pool} is paused: its runs wait until `towpath pool resume {pool}`")


@group.command()
@click.argument("pool")
def resume(pool: str) -> None:
    """Hand out runs again."""
    with service_client() as client:
        client.pools.update(pool, paused=False)
    note(f"pool {pool} hands out runs again")


@group.command()
@click.argument("pool")
@yes_option
def delete(pool: str, *, yes: bool) -> None:
    """Delete a work pool that nothing uses, with its queues and workers."""
    if confirmed(f"Delete pool {pool} with its queues?", yes=yes):
        with service_client() as client:
            client.pools.delete(pool)
        note(f"pool {pool} deleted")


def _facts(pool: WorkPool) -> list[tuple[str, str]]:
    return [
        ("name", pool.resource_name),
        ("kind", pool.kind),
        ("description", pool.description or "-"),
        ("state", paused_text(paused=pool.paused)),
        ("workers online", str(pool.online_workers)),
        ("runs queued", str(pool.queued)),
        ("runs leased", str(pool.leased)),
        ("limit", limit_text(pool.concurrency_limit) or "-"),
        ("lease", json_span(pool.lease_duration)),
        ("start timeout", json_span(pool.start_timeout)),
        ("grace", json_span(pool.cancel_grace_period)),
        ("created", local_minute(pool.created)),
        ("changed", local_minute(pool.changed)),
        ("etag", pool.etag),
    ]


def _as_json(pool: WorkPool) -> dict[str, Any]:
    return json_object(
        name=pool.resource_name,
        description=pool.description,
        kind=pool.kind,
        job_template_json=json.dumps(pool.job_template) if pool.job_template else "",
        paused=pool.paused,
        concurrency_limit=pool.concurrency_limit,
        lease_duration=json_span(pool.lease_duration),
        start_timeout=json_span(pool.start_timeout),
        cancel_grace_period=json_span(pool.cancel_grace_period),
        queued_count=str(pool.queued) if pool.queued else "",
        leased_count=str(pool.leased) if pool.leased else "",
        online_worker_count=pool.online_workers,
        create_time=pool.created,
        update_time=pool.changed,
        etag=pool.etag,
    )
