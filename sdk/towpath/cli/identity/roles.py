"""`towpath role`, and the granting of roles that other commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from towpath.cli.shared.groups import CommandGroup
from towpath.cli.shared.output import json_object, list_output, print_list
from towpath.cli.shared.session import confirmed, note, service_client, yes_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath.client import Client, Role

role_option = click.option("--role", help="Role to grant; `towpath role ls` lists them.")
workspace_option = click.option(
    "--workspace", help="Workspace that the role holds in.  [default: all]"
)


@click.group(cls=CommandGroup)
def group() -> None:
    """Manage roles."""


@group.command("ls")
@list_output
def list_roles(output: str) -> None:
    """List roles and their permissions."""
    with service_client() as client:
        roles = list(client.roles.list())
    print_list(
        roles,
        {
            "ROLE": lambda role: role.id,
            "KIND": lambda role: "built in" if role.built_in else "custom",
            "PERMISSIONS": lambda role: ", ".join(role.permissions),
        },
        output,
        as_json=_as_json,
    )


@group.command("create")
@click.argument("role")
@click.argument("permissions", nargs=-1, required=True)
@click.option("--name", default="", help="Display name.")
def create_role(role: str, permissions: Sequence[str], name: str) -> None:
    """Create a role from permissions that you have."""
    with service_client() as client:
        client.roles.create(role, permissions, name=name)
    note(f"role {role} created: `towpath member add EMAIL --role {role}` grants it")


@group.command("delete")
@click.argument("role")
@yes_option
def delete_role(role: str, *, yes: bool) -> None:
    """Delete a role that no member has."""
    if confirmed(f"Delete role {role}?", yes=yes):
        with service_client() as client:
            client.roles.delete(role)
        note(f"role {role} deleted")


def grant_role(client: Client, principal: str, role: str, workspace: str | None) -> None:
    """Grants a role and says so.

    Args:
        client: A client of the service.
        principal: E-mail address, id of a service account, or resource name.
        role: Id of the role.
        workspace: Id of the workspace that it holds in; None for all.
    """
    binding = client.roles.grant(principal, role, workspace=workspace)
    where = f"workspace {binding.workspace}" if binding.workspace else "all workspaces"
    note(f"{binding.principal} has role {binding.role} in {where}")


def _as_json(role: Role) -> dict[str, Any]:
    return json_object(
        name=f"roles/{role.id}",
        display_name=role.name,
        permissions=role.permissions,
        built_in=role.built_in,
    )
