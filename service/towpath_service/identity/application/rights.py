"""Checks that a caller gives no more rights than it has; used by the use cases of identity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath_auth import BUILT_IN_ROLES, Role

from towpath_service.core.errors import not_found
from towpath_service.identity.domain.principals import parse_named

if TYPE_CHECKING:
    from collections.abc import Iterable

    from towpath_auth import Caller

    from towpath_service.identity.domain.principals import Principal, StoredRole
    from towpath_service.identity.ports.store import Identity
from towpath_service.core.errors import denied


def check_covers(caller: Caller, role: Role, workspace_id: str) -> None:
    """Refuses to grant or revoke a role with more permissions than the caller has.

    Raises:
        ServiceError: PERMISSION_MISSING, naming a permission that the caller lacks.
    """
    if caller.access.covers(role, workspace_id):
        return
    place = f"workspaces/{workspace_id}" if workspace_id else ""
    held = caller.access.in_workspace(workspace_id) | caller.access.tenant
    lacking = sorted(role.permissions - held)
    raise denied(lacking[0] if lacking else "access.manage", place or "all workspaces")


def check_covers_roles(identity: Identity, caller: Caller, principal: Principal) -> None:
    """Refuses to act for or on a principal that has a role which the caller couldn't grant.

    Raises:
        ServiceError: PERMISSION_MISSING, naming a permission that the caller lacks.
    """
    roles = roles_by_id(identity.roles.all())
    for binding in identity.bindings.of(principal.principal_id):
        if binding.role_id in roles:
            check_covers(caller, roles[binding.role_id], binding.workspace_id)


def roles_by_id(stored: Iterable[StoredRole]) -> dict[str, Role]:
    """All roles of a tenant, its own and the built-in ones."""
    own = {
        role.role_id: Role(
            role_id=role.role_id, display_name=role.display_name, permissions=role.permissions
        )
        for role in stored
    }
    return {**own, **BUILT_IN_ROLES}


def known_role(identity: Identity, name: str, field_name: str) -> Role:
    """The role with a name; raises RESOURCE_NOT_FOUND."""
    role = roles_by_id(identity.roles.all()).get(parse_named(name, "roles", field_name))
    if role is None:
        raise not_found(name)
    return role


def known_workspace(identity: Identity, name: str, field_name: str) -> str:
    """The id of an existing workspace; raises RESOURCE_NOT_FOUND."""
    workspace_id = parse_named(name, "workspaces", field_name)
    if all(entry.workspace_id != workspace_id for entry in identity.workspaces.all()):
        raise not_found(name)
    return workspace_id
