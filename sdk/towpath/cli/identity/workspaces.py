"""`towpath workspace`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from towpath._settings.files import write_config
from towpath._settings.layers import chosen_profile, user_config
from towpath.cli.shared.errors import NOT_FOUND, CommandError
from towpath.cli.shared.groups import CommandGroup
from towpath.cli.shared.output import json_object, list_output, print_list
from towpath.cli.shared.session import confirmed, invocation, note, service_client, yes_option
from towpath.cli.shared.times import local_minute

if TYPE_CHECKING:
    from towpath.client import Workspace


@click.group(cls=CommandGroup)
def group() -> None:
    """Manage workspaces."""


@group.command("create")
@click.argument("workspace")
@click.option("--name", default="", help="Display name.")
def create_workspace(workspace: str, name: str) -> None:
    """Create a workspace."""
    with service_client() as client:
        created = client.workspaces.create(workspace, name=name)
    note(f"workspace {created.id} created: `towpath workspace use {created.id}` selects it")


@group.command("ls")
@list_output
def list_workspaces(output: str) -> None:
    """List the workspaces that you may enter."""
    print_list(
        _workspaces(),
        {
            "WORKSPACE": lambda item: item.id,
            "NAME": lambda item: item.name,
            "CREATED": lambda item: local_minute(item.created),
        },
        output,
        as_json=_as_json,
    )


@group.command("use")
@click.argument("workspace")
def use_workspace(workspace: str) -> None:
    """Select the workspace of the profile."""
    if workspace.removeprefix("workspaces/") not in {item.id for item in _workspaces()}:
        raise CommandError(
            f"there is no workspace {workspace!r} that you may enter",
            hint="`towpath workspace ls` lists the workspaces that you may enter",
            code="NOT_FOUND",
            exit_code=NOT_FOUND,
        )
    config = user_config()
    profile = chosen_profile(config, invocation().profile)
    config.profiles.setdefault(profile, {})["workspace"] = workspace
    write_config(config)
    note(f"profile {profile} now uses workspace {workspace}")


@group.command("delete")
@click.argument("workspace")
@yes_option
def delete_workspace(workspace: str, *, yes: bool) -> None:
    """Delete an empty workspace."""
    if confirmed(f"Delete workspace {workspace}?", yes=yes):
        with service_client() as client:
            client.workspaces.delete(workspace)
        note(f"workspace {workspace} deleted")


def _workspaces() -> list[Workspace]:
    with service_client() as client:
        return list(client.workspaces.list())


def _as_json(item: Workspace) -> dict[str, Any]:
    return json_object(
        name=f"workspaces/{item.id}", display_name=item.name, create_time=item.created
    )
