"""`towpath service-account`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from towpath.cli.identity.roles import grant_role, role_option, workspace_option
from towpath.cli.shared.groups import CommandGroup
from towpath.cli.shared.output import json_object, list_output, print_list
from towpath.cli.shared.session import confirmed, note, service_client, yes_option
from towpath.cli.shared.times import local_minute

if TYPE_CHECKING:
    from towpath.client import ServiceAccount


@click.group(cls=CommandGroup)
def group() -> None:
    """Manage service accounts, which programs call with."""


@group.command("create")
@click.argument("account")
@role_option
@workspace_option
@click.option("--name", default="", help="Display name.")
def create_account(account: str, role: str | None, workspace: str | None, name: str) -> None:
    """Create a service account."""
    with service_client() as client:
        client.service_accounts.create(account, name=name, role=role, workspace=workspace)
    note(
        f"service account {account} created: `towpath key create --for {account}` creates a key"
        " for it"
    )


@group.command("ls")
@list_output
def list_accounts(output: str) -> None:
    """List service accounts."""
    with service_client() as client:
        accounts = list(client.service_accounts.list())
    print_list(
        accounts,
        {
            "ACCOUNT": lambda item: item.id,
            "NAME": lambda item: item.name,
            "CREATED": lambda item: local_minute(item.created),
        },
        output,
        as_json=_as_json,
    )


@group.command("grant")
@click.argument("account")
@click.argument("role")
@workspace_option
def grant_account(account: str, role: str, workspace: str | None) -> None:
    """Grant a role to a service account."""
    with service_client() as client:
        grant_role(client, account, role, workspace)


@group.command("delete")
@click.argument("account")
@yes_option
def delete_account(account: str, *, yes: bool) -> None:
    """Delete a service account with its keys and roles."""
    if confirmed(f"Delete {account} with all its keys?", yes=yes):
        with service_client() as client:
            client.service_accounts.delete(account)
        note(f"service account {account} deleted")


def _as_json(item: ServiceAccount) -> dict[str, Any]:
    return json_object(
        name=item.principal, uid=item.uid, display_name=item.name, create_time=item.created
    )
