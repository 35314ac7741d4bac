"""`towpath usage`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from towpath.cli.shared.output import json_object, list_output, print_list
from towpath.cli.shared.session import service_client

if TYPE_CHECKING:
    from towpath.client import TenantLimits, Usage


@click.command()
@list_output
def usage(output: str) -> None:
    """Show usage and limits of the tenant, on the replica that answers."""
    with service_client() as client:
        found = client.tenants.usage()
    limits = _limits(found.limits)
    print_list(
        found.usage,
        {
            "QUOTA": lambda item: item.quota,
            "USED": lambda item: f"{item.used:,}",
            "LIMIT": lambda item: limits.get(item.quota, ""),
        },
        output,
        as_json=_as_json,
    )


def _limits(limits: TenantLimits) -> dict[str, str]:
    return {
        "stored_bytes": f"{limits.stored_bytes:,}" if limits.stored_bytes else "none",
        "calls": f"{limits.calls_per_second}/s",
        "updates": f"{limits.updates_per_second}/s",
        "log_bytes": f"{limits.log_bytes_per_second}/s",
        "streams": str(limits.open_streams),
        "watches": str(limits.open_watches),
    }


def _as_json(item: Usage) -> dict[str, Any]:
    return json_object(quota=item.quota, used=item.used and str(item.used))
