"""`towpath workspace`, `member`, `service-account`, `role`, `tenant` and `usage`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from towpath._settings.files import write_config
from towpath._settings.layers import chosen_profile, user_config
from towpath.cli.shared.errors import CONFLICT, NOT_FOUND, CommandError
from towpath.cli.shared.groups import CommandGroup
from towpath.cli.shared.service import (
    Shown,
    as_json,
    call,
    call_pages,
    ending,
    moment,
    principal_name,
    role_name,
    show,
    tenant_name,
    workspace_name,
)
from towpath.cli.shared.session import (
    confirmed,
    invocation,
    list_output,
    note,
    print_json,
    text_output,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_role = click.option("--role", help="Role it gets; `towpath role ls` lists them.")
_workspace = click.option("--workspace", help="Where the role holds; else everywhere.")
_LIMIT = click.IntRange(0)
_STATES: Final = {1: "active", 2: "suspended"}
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
@click.option("--with-key", is_flag=True, help="Make them an API key, and show it this once.")
def add_member(
    email: str, role: str | None, workspace: str | None, name: str, *, with_key: bool
) -> None:
    """Let somebody in, or give a further role, or another key, to who is in."""
    if any(user.name == f"users/{email.lower()}" for user in _users()):
        _add_to_member(email, role, workspace, with_key=with_key)
        return
    answer = call(
        *("AccessService", "CreateUser"),
        email=email,
        display_name=name,
        role=role_name(role) if role else "",
        workspace=workspace_name(workspace),
        with_api_key=with_key,
    )
    if not with_key:
        note(f"{answer.user.name} is in")
        return
    end = ending(answer, "api_key_expire_time")
    note(f"{answer.user.name} is in. Their API key, shown this once, {end}:")
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
    end = ending(answer, "owner_api_key_expire_time")
    note(f"tenants/{tenant} is there. The API key of {owner}, shown this once, {end}:")
    click.echo(answer.owner_api_key)


@tenants.command("ls")
@list_output
def list_tenants(output: str) -> None:
    """List tenants."""
    show(
        call_pages("TenantService", "ListTenants", "tenants"),
        (
            Shown("TENANT", lambda item: item.name.removeprefix("tenants/")),
            Shown("STATE", lambda item: _STATES.get(item.state, "unknown")),
            Shown("NAME", lambda item: item.display_name),
            Shown("MADE", lambda item: moment(item, "create_time")),
            Shown("ID", lambda item: item.uid),
        ),
        output,
    )


@tenants.command("inspect")
@click.argument("tenant")
@text_output
def inspect_tenant(tenant: str, output: str) -> None:
    """Describe a tenant, with its limits."""
    found = _tenant(tenant)
    if output == "json":
        print_json(as_json(found))
        return
    click.echo(f"{'tenant':<22}{found.name.removeprefix('tenants/')}")
    click.echo(f"{'name':<22}{found.display_name or '-'}")
    click.echo(f"{'state':<22}{_STATES.get(found.state, 'unknown')}")
    click.echo(f"{'id':<22}{found.uid}")
    click.echo(f"{'made':<22}{moment(found, 'create_time')}")
    _tell_limits(found.quotas)


@tenants.command("limit")
@click.argument("tenant")
@click.option("--updates-per-second", type=_LIMIT)
@click.option("--log-bytes-per-second", type=_LIMIT)
@click.option("--calls-per-second", type=_LIMIT)
@click.option("--open-streams", type=_LIMIT)
@click.option("--open-watches", type=_LIMIT)
@click.option("--stored-bytes", type=_LIMIT)
def limit_tenant(tenant: str, **quotas: int | None) -> None:
    """Set limits of a tenant; those that aren't given stay, 0 is the installation's default."""
    given = {name: number for name, number in quotas.items() if number is not None}
    if not given:
        raise click.UsageError(
            "give a limit to set, such as --stored-bytes 10000000000; 0 sets it to the"
            f" installation's default. `towpath tenant inspect {tenant}` shows all"
        )
    # What stays is sent, too, for servers that take all limits at once.
    message = _tenant(tenant).quotas
    for name, number in given.items():
        setattr(message, name, number)
    answer = call(
        *("TenantService", "SetTenantQuotas"),
        name=tenant_name(tenant),
        quotas=message,
        update_mask={"paths": list(given)},
    )
    note(f"limits of {answer.tenant.name} are set:")
    _tell_limits(answer.tenant.quotas)


@tenants.command("suspend")
@click.argument("tenant")
@_yes
def suspend_tenant(tenant: str, *, yes: bool) -> None:
    """Stop all calls of a tenant."""
    if confirmed(f"Nobody of tenant {tenant} can call from now on. Go on?", yes=yes):
        call("TenantService", "SuspendTenant", name=tenant_name(tenant))
        note(f"tenants/{tenant} is suspended")


@tenants.command("resume")
@click.argument("tenant")
def resume_tenant(tenant: str) -> None:
    """Let a tenant call again."""
    call("TenantService", "ResumeTenant", name=tenant_name(tenant))
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


def _tenant(tenant: str) -> Any:
    return call("TenantService", "GetTenant", name=tenant_name(tenant)).tenant


def _tell_limits(quotas: Any) -> None:
    for field in quotas.DESCRIPTOR.fields:
        number = getattr(quotas, field.name)
        default = "none" if field.name == "stored_bytes" else "default"
        click.echo(f"{field.name.replace('_', '-'):<22}{number or default}")


def _users() -> list[Any]:
    return call_pages("AccessService", "ListUsers", "users")


def _add_to_member(email: str, role: str | None, workspace: str | None, *, with_key: bool) -> None:
    """Gives a further role and another key to somebody who is in."""
    if not role and not with_key:
        raise CommandError(
            f"{email} is in already",
            hint="--role gives a further role, --with-key another API key",
            code="ALREADY_EXISTS",
            exit_code=CONFLICT,
        )
    user = f"users/{email.lower()}"
    if role:
        _grant(user, role, workspace)
    if with_key:
        answer = call("AccessService", "CreateApiKey", parent=user)
        end = ending(answer.api_key, "expire_time")
        note(f"Another API key of {user}, shown this once, {end}:")
        click.echo(answer.key)


def _grant(principal: str, role: str, workspace: str | None) -> None:
    answer = call(
        *("AccessService", "CreateRoleBinding"),
        principal=principal,
        role=role_name(role),
        workspace=workspace_name(workspace),
    )
    binding = answer.role_binding
    note(f"{binding.principal} has {binding.role} in {binding.workspace or 'all workspaces'}")
