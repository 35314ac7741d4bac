"""`towpath tenant`."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

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
from towpath.cli.shared.times import expiry, local_minute

if TYPE_CHECKING:
    from towpath.client import Tenant, TenantLimits

_LIMIT: Final = click.IntRange(0)
_LABEL_WIDTH: Final = 22


@click.group(cls=CommandGroup)
def group() -> None:
    """Manage tenants; for the installation's operator."""


@group.command("create")
@click.argument("tenant")
@click.option("--owner", required=True, metavar="EMAIL", help="E-mail address of the first owner.")
@click.option("--name", default="", help="Display name.")
def create_tenant(tenant: str, owner: str, name: str) -> None:
    """Create a tenant and show the API key of its first owner."""
    with service_client() as client:
        created = client.tenants.create(tenant, owner_email=owner, name=name)
    expires = expiry(created.owner_api_key_expires)
    note(f"tenant {tenant} created. The API key of {owner}, shown only once, {expires}:")
    click.echo(created.owner_api_key)


@group.command("ls")
@list_output
def list_tenants(output: str) -> None:
    """List tenants."""
    with service_client() as client:
        tenants = list(client.tenants.list())
    print_list(
        tenants,
        {
            "TENANT": lambda item: item.id,
            "STATE": lambda item: item.state,
            "NAME": lambda item: item.name,
            "CREATED": lambda item: local_minute(item.created),
            "ID": lambda item: item.uid,
        },
        output,
        as_json=_as_json,
    )


@group.command("inspect")
@click.argument("tenant")
@text_output
def inspect_tenant(tenant: str, output: str) -> None:
    """Show a tenant and its limits."""
    with service_client() as client:
        found = client.tenants.get(tenant)
    if output == "json":
        print_json(_as_json(found))
        return
    facts = [
        ("tenant", found.id),
        ("name", found.name or "-"),
        ("state", found.state),
        ("id", found.uid),
        ("created", local_minute(found.created)),
    ]
    print_facts([*facts, *_limits(found.limits)], width=_LABEL_WIDTH)


@group.command("limit")
@click.argument("tenant")
@click.option("--updates-per-second", type=_LIMIT, help="Updates of runs per second.")
@click.option("--log-bytes-per-second", type=_LIMIT, help="Bytes of log lines per second.")
@click.option("--calls-per-second", type=_LIMIT, help="Cost units of other calls per second.")
@click.option("--open-streams", type=_LIMIT, help="Open streams of producers, per replica.")
@click.option("--open-watches", type=_LIMIT, help="Open watches and log tails, per replica.")
@click.option("--stored-bytes", type=_LIMIT, help="Bytes of runs and log lines.")
def limit_tenant(tenant: str, **limits: int | None) -> None:
    """Set limits of a tenant; 0 sets one to the installation's default."""
    given = {name: number for name, number in limits.items() if number is not None}
    if not given:
        raise click.UsageError(
            "give a limit to set, such as --stored-bytes 10000000000; 0 sets it to the"
            f" installation's default. `towpath tenant inspect {tenant}` shows all limits"
        )
    with service_client() as client:
        # Limits that stay are sent, too, for servers that take all limits at once.
        present = client.tenants.get(tenant).limits
        changed = client.tenants.set_limits(tenant, replace(present, **given), names=given)
    note(f"limits of tenant {changed.id}:")
    print_facts(_limits(changed.limits), width=_LABEL_WIDTH)


@group.command("suspend")
@click.argument("tenant")
@yes_option
def suspend_tenant(tenant: str, *, yes: bool) -> None:
    """Suspend a tenant: refuse all its calls."""
    if confirmed(f"All calls of tenant {tenant} will be refused. Go on?", yes=yes):
        with service_client() as client:
            client.tenants.suspend(tenant)
        note(f"tenant {tenant} suspended")


@group.command("resume")
@click.argument("tenant")
def resume_tenant(tenant: str) -> None:
    """Resume a suspended tenant."""
    with service_client() as client:
        client.tenants.resume(tenant)
    note(f"tenant {tenant} resumed")


def _limits(limits: TenantLimits) -> list[tuple[str, str]]:
    defaults = {"stored_bytes": "none"}
    return [
        (name.replace("_", "-"), str(number or defaults.get(name, "default")))
        for name, number in asdict(limits).items()
    ]


def _as_json(item: Tenant) -> dict[str, Any]:
    limits = item.limits
    return json_object(
        name=f"tenants/{item.id}",
        uid=item.uid,
        display_name=item.name,
        state="" if item.state == "unknown" else f"TENANT_STATE_{item.state.upper()}",
        quotas=json_object(
            updates_per_second=limits.updates_per_second,
            log_bytes_per_second=limits.log_bytes_per_second and str(limits.log_bytes_per_second),
            calls_per_second=limits.calls_per_second,
            open_streams=limits.open_streams,
            stored_bytes=limits.stored_bytes and str(limits.stored_bytes),
            open_watches=limits.open_watches,
            queued_runs=limits.queued_runs,
        ),
        create_time=item.created,
    )
