"""`towpath workspace`, `member`, `service-account`, `role`, `tenant` and `usage`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from towpath._settings.files import write_config
from towpath._settings.layers import chosen_profile, user_config
from towpath.api.v1 import tenant_service_pb2
from towpath.cli._errors import CONFLICT, NOT_FOUND, CommandError
from towpath.cli._groups import CommandGroup
from towpath.cli._service import (
    Shown,
    call,
    call_pages,
    moment,
    principal_name,
    role_name,
    show,
    workspace_name,
)
from towpath.cli._session import confirmed, invocation, list_output, note

if TYPE_CHECKING:
    from collections.abc import Sequence

_role = click.option("--role", help="Role it gets; `towpath role ls` lists them.")
_workspace = click.option("--workspace", help="Where the role holds; else everywhere.")
_yes = click.option("--yes", is_flag=True, help="Don't ask.")


@click.group(cls=CommandGroup)
def workspaces() -> None:
    """Keep runs of several teams apart."""


@workspaces.command("create")
@click.argument("workspace")
@click.option("--name", default="", help="Name to show.")
def create_workspace(workspace: str, name: str) -> None:
    """Make a workspace."""
    answer = call("AccessService", "CreateWorkspace", workspace_id=workspace, display_name=name)
    note(f"{answer.workspace.name} is there: `towpath workspace use {workspace}` works in it")


@workspaces.command("ls")
@list_output
def list_workspaces(output: str) -> None:
    """List the workspaces you may enter."""
    found = call_pages("AccessService", "ListWorkspaces", "workspaces")
    show(
        found,
        (
            Shown("WORKSPACE", lambda item: item.name.removeprefix("workspaces/")),
            Shown("NAME", lambda item: item.display_name),
            Shown("MADE", lambda item: moment(item, "create_time")),
        ),
        output,
    )


@workspaces.command("use")
@click.argument("workspace")
def use_workspace(workspace: str) -> None:
    """Work in a workspace from now on."""
    known = [item.name for item in call_pages("AccessService", "ListWorkspaces", "workspaces")]
    if workspace_name(workspace) not in known:
        raise CommandError(
            f"there is no workspace {workspace!r} that you may enter",
            hint="`towpath workspace ls` lists those there are",
            code="NOT_FOUND",
            exit_code=NOT_FOUND,
        )
    config = user_config()
    profile = chosen_profile(config, invocation().profile)
    config.profiles.setdefault(profile, {})["workspace"] = workspace
    write_config(config)
    note(f"runs are in workspace {workspace} from now on, in profile {profile}")


@workspaces.command("delete")
@click.argument("workspace")
@_yes
def delete_workspace(workspace: str, *, yes: bool) -> None:
    """Remove an empty workspace."""
    if confirmed(f"Remove workspace {workspace}?", yes=yes):
        call("AccessService", "DeleteWorkspace", name=workspace_name(workspace))
        note(f"workspace {workspace} is gone")


@click.group(cls=CommandGroup)
def members() -> None:
    """See who is in the tenant, and let people in and out."""


@members.command("add")
@click.argument("email")
@_role
@_workspace
@click.option("--name", default="", help="Name to show.")
@click.option("--with-key", is_flag=True, help="Make a first API key, and show it this once.")
def add_member(
    email: str, role: str | None, workspace: str | None, name: str, *, with_key: bool
) -> None:
    """Let somebody in, or give a further role to who is in."""
    if any(user.name == f"users/{email.lower()}" for user in _users()):
        if not role:
            raise CommandError(
                f"{email} is in already",
                hint="--role gives a further role",
                code="ALREADY_EXISTS",
                exit_code=CONFLICT,
            )
        _grant(f"users/{email.lower()}", role, workspace)
        return
    answer = call(
        *("AccessService", "CreateUser"),
        email=email,
        display_name=name,
        role=role_name(role) if role else "",
        workspace=workspace_name(workspace),
        with_api_key=with_key,
    )
    note(f"{answer.user.name} is in" + (". Their API key, shown this once:" * with_key))
    if with_key:
        click.echo(answer.api_key)


@members.command("ls")
@list_output
def list_members(output: str) -> None:
    """List who has which role where."""
    show(
        call_pages("AccessService", "ListRoleBindings", "role_bindings"),
        (
            Shown("PRINCIPAL", lambda item: item.principal),
            Shown("ROLE", lambda item: item.role.removeprefix("roles/")),
            Shown("WHERE", lambda item: item.workspace or "everywhere"),
            Shown("GIVEN BY", lambda item: item.creator),
            Shown("SINCE", lambda item: moment(item, "create_time")),
        ),
        output,
    )


@members.command("rm")
@click.argument("principal")
@click.option("--role", help="Take this role only; else the whole member.")
@click.option("--workspace", help="Where the role holds; else everywhere.")
@_yes
def remove_member(principal: str, role: str | None, workspace: str | None, *, yes: bool) -> None:
    """Take a role from somebody, or let them go with all their keys."""
    name = principal_name(principal)
    what = f"role {role} of {name}" if role else f"{name} with all keys and roles"
    if not confirmed(f"Remove {what}?", yes=yes):
        return
    if role:
        where = workspace_name(workspace)
        call(
            *("AccessService", "DeleteRoleBinding"),
            principal=name,
            role=role_name(role),
            workspace=where,
        )
    elif name.startswith("users/"):
        call("AccessService", "DeleteUser", name=name)
    else:
        call("AccessService", "DeleteServiceAccount", name=name)
    note(f"{what}: removed")


@click.group(cls=CommandGroup)
def service_accounts() -> None:
    """Manage who calls without being a person."""


@service_accounts.command("create")
@click.argument("account")
@_role
@_workspace
@click.option("--name", default="", help="Name to show.")
def create_account(account: str, role: str | None, workspace: str | None, name: str) -> None:
    """Make a service account; `towpath key create --for` makes its keys."""
    call(
        *("AccessService", "CreateServiceAccount"),
        service_account_id=account,
        display_name=name,
        role=role_name(role) if role else "",
        workspace=workspace_name(workspace),
    )
    note(f"serviceAccounts/{account} is there: `towpath key create --for {account}` makes a key")


@service_accounts.command("ls")
@list_output
def list_accounts(output: str) -> None:
    """List service accounts."""
    show(
        call_pages("AccessService", "ListServiceAccounts", "service_accounts"),
        (
            Shown("ACCOUNT", lambda item: item.name.removeprefix("serviceAccounts/")),
            Shown("NAME", lambda item: item.display_name),
            Shown("MADE", lambda item: moment(item, "create_time")),
        ),
        output,
    )


@service_accounts.command("grant")
@click.argument("account")
@click.argument("role")
@_workspace
def grant_account(account: str, role: str, workspace: str | None) -> None:
    """Give a service account a role."""
    _grant(principal_name(account), role, workspace)


@service_accounts.command("delete")
@click.argument("account")
@_yes
def delete_account(account: str, *, yes: bool) -> None:
    """Remove a service account with its keys and roles."""
    if confirmed(f"Remove {account} with all its keys?", yes=yes):
        call("AccessService", "DeleteServiceAccount", name=principal_name(account))
        note(f"serviceAccounts/{account} is gone")


@click.group(cls=CommandGroup)
def roles() -> None:
    """See and make roles."""


@roles.command("ls")
@list_output
def list_roles(output: str) -> None:
    """List roles and what they permit."""
    show(
        call_pages("AccessService", "ListRoles", "roles"),
        (
            Shown("ROLE", lambda item: item.name.removeprefix("roles/")),
            Shown("KIND", lambda item: "built in" if item.built_in else "custom"),
            Shown("PERMITS", lambda item: ", ".join(item.permissions)),
        ),
        output,
    )


@roles.command("create")
@click.argument("role")
@click.argument("permissions", nargs=-1, required=True)
@click.option("--name", default="", help="Name to show.")
def create_role(role: str, permissions: Sequence[str], name: str) -> None:
    """Make a role of permissions that you have."""
    call(
        *("AccessService", "CreateRole"),
        role_id=role,
        permissions=permissions,
        display_name=name,
    )
    note(f"roles/{role} is there: `towpath member add EMAIL --role {role}` gives it")


@roles.command("delete")
@click.argument("role")
@_yes
def delete_role(role: str, *, yes: bool) -> None:
    """Remove a role that nobody has."""
    if confirmed(f"Remove role {role}?", yes=yes):
        call("AccessService", "DeleteRole", name=role_name(role))
        note(f"roles/{role} is gone")


@click.group(cls=CommandGroup)
def tenants() -> None:
    """Manage tenants, as the operator of the installation."""


@tenants.command("create")
@click.argument("tenant")
@click.option("--owner", required=True, metavar="EMAIL", help="Its first owner.")
@click.option("--name", default="", help="Name to show.")
def create_tenant(tenant: str, owner: str, name: str) -> None:
    """Make a tenant, and show its owner's first API key."""
    answer = call(
        *("TenantService", "CreateTenant"),
        tenant_id=tenant,
        owner_email=owner,
        display_name=name,
    )
    note(f"tenants/{tenant} is there. The API key of {owner}, shown this once:")
    click.echo(answer.owner_api_key)


@tenants.command("ls")
@list_output
def list_tenants(output: str) -> None:
    """List tenants."""
    states = {1: "active", 2: "suspended"}
    show(
        call_pages("TenantService", "ListTenants", "tenants"),
        (
            Shown("TENANT", lambda item: item.name.removeprefix("tenants/")),
            Shown("STATE", lambda item: states.get(item.state, "unknown")),
            Shown("NAME", lambda item: item.display_name),
            Shown("MADE", lambda item: moment(item, "create_time")),
            Shown("ID", lambda item: item.uid),
        ),
        output,
    )


@tenants.command("limit")
@click.argument("tenant")
@click.option("--updates-per-second", type=click.IntRange(0), default=0)
@click.option("--log-bytes-per-second", type=click.IntRange(0), default=0)
@click.option("--calls-per-second", type=click.IntRange(0), default=0)
@click.option("--open-streams", type=click.IntRange(0), default=0)
@click.option("--open-watches", type=click.IntRange(0), default=0)
@click.option("--stored-bytes", type=click.IntRange(0), default=0)
def limit_tenant(tenant: str, **quotas: int) -> None:
    """Set a tenant's limits; what isn't given is the installation's default again."""
    message = tenant_service_pb2.TenantQuotas(
        updates_per_second=quotas["updates_per_second"],
        log_bytes_per_second=quotas["log_bytes_per_second"],
        calls_per_second=quotas["calls_per_second"],
        open_streams=quotas["open_streams"],
        open_watches=quotas["open_watches"],
        stored_bytes=quotas["stored_bytes"],
    )
    call("TenantService", "SetTenantQuotas", name=f"tenants/{tenant}", quotas=message)
    note(f"limits of tenants/{tenant} are set")


@tenants.command("suspend")
@click.argument("tenant")
@_yes
def suspend_tenant(tenant: str, *, yes: bool) -> None:
    """Stop all calls of a tenant."""
    if confirmed(f"Nobody of tenant {tenant} can call from now on. Go on?", yes=yes):
        call("TenantService", "SuspendTenant", name=f"tenants/{tenant}")
        note(f"tenants/{tenant} is suspended")


@tenants.command("resume")
@click.argument("tenant")
def resume_tenant(tenant: str) -> None:
    """Let a tenant call again."""
    call("TenantService", "ResumeTenant", name=f"tenants/{tenant}")
    note(f"tenants/{tenant} is active")


@click.command()
@list_output
def usage(output: str) -> None:
    """Show what the tenant uses of its limits, on the replica that answers."""
    answer = call("AccessService", "GetUsage")
    stored = answer.quotas.stored_bytes
    limits = {
        "stored_bytes": f"{stored:,}" if stored else "none",
        "calls": f"{answer.quotas.calls_per_second}/s",
        "updates": f"{answer.quotas.updates_per_second}/s",
        "log_bytes": f"{answer.quotas.log_bytes_per_second}/s",
        "streams": str(answer.quotas.open_streams),
        "watches": str(answer.quotas.open_watches),
    }
    show(
        list(answer.usage),
        (
            Shown("WHAT", lambda item: item.quota),
            Shown("USED", lambda item: f"{item.used:,}"),
            Shown("LIMIT", lambda item: limits.get(item.quota, "")),
        ),
        output,
    )


def _users() -> list[Any]:
    return call_pages("AccessService", "ListUsers", "users")


def _grant(principal: str, role: str, workspace: str | None) -> None:
    answer = call(
        *("AccessService", "CreateRoleBinding"),
        principal=principal,
        role=role_name(role),
        workspace=workspace_name(workspace),
    )
    binding = answer.role_binding
    note(f"{binding.principal} has {binding.role} in {binding.workspace or 'all workspaces'}")
