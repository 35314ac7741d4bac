"""`towpath whoami`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from towpath._settings.current import get_settings
from towpath._transport.discovery import DATABASE
from towpath._transport.service import server_address
from towpath.cli.shared.output import json_object, print_facts, print_json, text_output
from towpath.cli.shared.session import service_client
from towpath.cli.shared.times import local_minute

if TYPE_CHECKING:
    from towpath.client import Caller

_LABEL_WIDTH = 12


@click.command()
@text_output
def whoami(output: str) -> None:
    """Show your identity and permissions."""
    with service_client() as client:
        caller = client.whoami()
    if output == "json":
        print_json(_as_json(caller))
        return
    settings = get_settings()
    if not server_address(settings):
        click.echo(
            "No server is configured, and none runs on this home. Commands read the local"
            f" database {settings.home / DATABASE}, where everything is permitted."
        )
        return
    if not caller.identity:
        click.echo("This server doesn't authenticate callers: everything is permitted.")
        return
    print_facts(_facts(caller), width=_LABEL_WIDTH)


def _facts(caller: Caller) -> list[tuple[str, str]]:
    facts = [
        ("principal", caller.principal),
        ("tenant", _tenant(caller)),
        ("credential", caller.credential_id + _expiry(caller)),
        ("tenant may", ", ".join(caller.tenant_permissions) or "nothing"),
    ]
    facts += [(grant.workspace, ", ".join(grant.permissions)) for grant in caller.workspace_grants]
    return facts


def _tenant(caller: Caller) -> str:
    """The tenant as --tenant takes it, with its UUID; an older server has the UUID only."""
    return f"{caller.tenant} ({caller.tenant_id})" if caller.tenant else caller.tenant_id


def _expiry(caller: Caller) -> str:
    if caller.credential_expires:
        return f", expires {local_minute(caller.credential_expires)}"
    return ", never expires" if caller.tenant else ""


def _as_json(caller: Caller) -> dict[str, Any]:
    return json_object(
        actor=json_object(
            principal=caller.principal,
            kind=caller.kind and f"ACTOR_KIND_{caller.kind.upper()}",
            display_name=caller.name,
        ),
        tenant_id=caller.tenant_id,
        tenant_display_name=caller.tenant_name,
        tenant_permissions=caller.tenant_permissions,
        workspace_grants=[
            json_object(
                workspace=f"workspaces/{grant.workspace}",
                display_name=grant.name,
                permissions=grant.permissions,
            )
            for grant in caller.workspace_grants
        ],
        token_expire_time=caller.token_expires,
        credential_id=caller.credential_id,
        identity=caller.identity,
        tenant=caller.tenant and f"tenants/{caller.tenant}",
        credential_expire_time=caller.credential_expires,
    )
