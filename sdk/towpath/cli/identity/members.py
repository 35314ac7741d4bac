"""`towpath member`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from towpath.cli.identity.roles import grant_role, role_option, workspace_option
from towpath.cli.shared.errors import CONFLICT, CommandError
from towpath.cli.shared.groups import CommandGroup
from towpath.cli.shared.output import json_object, list_output, print_list
from towpath.cli.shared.session import confirmed, note, service_client, yes_option
from towpath.cli.shared.times import expiry, local_minute

if TYPE_CHECKING:
    from towpath.client import Client, RoleBinding


@click.group(cls=CommandGroup)
def group() -> None:
    """Manage members of the tenant and their roles."""


@group.command("add")
@click.argument("email")
@role_option
@workspace_option
@click.option("--name", default="", help="Display name.")
@click.option("--with-key", is_flag=True, help="Create an API key for the member and show it once.")
def add_member(
    email: str, role: str | None, workspace: str | None, name: str, *, with_key: bool
) -> None:
    """Add a member, or give one another role or API key."""
    with service_client() as client:
        if any(user.email == email.lower() for user in client.users.list()):
            _add_to_member(client, email, role, workspace, with_key=with_key)
            return
        created = client.users.create(
            email, name=name, role=role, workspace=workspace, with_api_key=with_key
        )
    if not with_key:
        note(f"{created.user.principal} added")
        return
    expires = expiry(created.api_key_expires)
    note(f"{created.user.principal} added. The API key, shown only once, {expires}:")
    click.echo(created.api_key)


@group.command("ls")
@list_output
def list_members(output: str) -> None:
    """List members and service accounts with their roles."""
    with service_client() as client:
        bindings = list(client.roles.bindings())
    print_list(
        bindings,
        {
            "PRINCIPAL": lambda item: item.principal,
            "ROLE": lambda item: item.role,
            "WORKSPACE": lambda item: item.workspace or "all",
            "GRANTED BY": lambda item: item.creator,
            "SINCE": lambda item: local_minute(item.created),
        },
        output,
        as_json=_as_json,
    )


@group.command("rm")
@click.argument("principal")
@click.option("--role", help="Role to take away.  [default: all roles, and the membership]")
@click.option("--workspace", help="Workspace that the role holds in.  [default: all]")
@yes_option
def remove_member(principal: str, role: str | None, workspace: str | None, *, yes: bool) -> None:
    """Remove a member with all keys, or only one role of the member."""
    what = f"role {role} of {principal}" if role else f"{principal} with all keys and roles"
    if not confirmed(f"Remove {what}?", yes=yes):
        return
    with service_client() as client:
        if role:
            client.roles.revoke(principal, role, workspace=workspace)
        elif "@" in principal or principal.startswith("users/"):
            client.users.delete(principal)
        else:
            client.service_accounts.delete(principal)
    note(f"{what} removed")


def _add_to_member(
    client: Client, email: str, role: str | None, workspace: str | None, *, with_key: bool
) -> None:
    """Gives a member another role, another API key, or both."""
    if not role and not with_key:
        raise CommandError(
            f"{email} is already a member",
            hint="give --role to grant another role, or --with-key to create another API key",
            code="ALREADY_EXISTS",
            exit_code=CONFLICT,
        )
    user = f"users/{email.lower()}"
    if role:
        grant_role(client, user, role, workspace)
    if with_key:
        created = client.keys.create(user)
        note(f"Another API key of {user}, shown only once, {expiry(created.api_key.expires)}:")
        click.echo(created.key)


def _as_json(item: RoleBinding) -> dict[str, Any]:
    return json_object(
        role=f"roles/{item.role}",
        principal=item.principal,
        workspace=item.workspace and f"workspaces/{item.workspace}",
        creator=item.creator,
        create_time=item.created,
    )
