"""What a caller may do: the permissions of its roles, within the limits of its credential."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from towpath_auth._permissions import (
    MACHINE_PERMISSIONS,
    MEMBER_PERMISSIONS,
    NOT_FOR_PEOPLE,
    PERMISSIONS,
    PLATFORM_PERMISSIONS,
    TENANT_PERMISSIONS,
    WORKSPACE_PERMISSIONS,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from towpath_auth._permissions import Role

_NONE: Final[frozenset[str]] = frozenset()
_ABOVE_WORKSPACES: Final = frozenset(TENANT_PERMISSIONS) | frozenset(PLATFORM_PERMISSIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A role that is granted to a principal."""

    role: Role
    workspace_id: str = ""
    """The workspace where the role holds; empty for the whole tenant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Permissions, by the place where they hold."""

    tenant: frozenset[str] = _NONE
    """Permissions in the tenant itself."""
    everywhere: frozenset[str] = _NONE
    """Permissions in every workspace."""
    workspaces: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    """Permissions in single workspaces by their ids, in addition to those that hold everywhere."""
    only: frozenset[str] | None = None
    """Workspaces that the credential is limited to; None for no limit."""

    def in_workspace(self, workspace_id: str) -> frozenset[str]:
        """The permissions in a workspace, by its id."""
        if self.only is not None and workspace_id not in self.only:
            return _NONE
        return self.everywhere | self.workspaces.get(workspace_id, _NONE)

    def anywhere(self, permission: str) -> bool:
        """Whether a permission holds in any workspace, including workspaces made later."""
        if permission in self.everywhere:
            return True
        return any(permission in self.in_workspace(name) for name in self.workspaces)

    def limited(self, scopes: frozenset[str] | None) -> Access:
        """This access, reduced to a set of permissions.

        Args:
            scopes: The permissions that are kept; None for all.
        """
        if scopes is None:
            return self
        return Access(
            tenant=self.tenant & scopes,
            everywhere=self.everywhere & scopes,
            workspaces={name: held & scopes for name, held in self.workspaces.items()},
            only=self.only,
        )

    def covers(self, role: Role, workspace_id: str) -> bool:
        """Whether this access has every permission that a role would give.

        A caller can't grant a permission that it lacks, other than those for machines only.

        Args:
            role: The role to be granted.
            workspace_id: The workspace where it would hold; empty for the whole tenant.
        """
        held = self.everywhere if not workspace_id else self.in_workspace(workspace_id)
        needed = role.permissions - MACHINE_PERMISSIONS
        if workspace_id:
            needed -= _ABOVE_WORKSPACES
        return needed <= held | self.tenant and (self.only is None or bool(workspace_id))


ALL_ACCESS: Final = Access(tenant=_ABOVE_WORKSPACES, everywhere=frozenset(WORKSPACE_PERMISSIONS))
"""The access of the one principal of a service without identity."""


def access_of(
    grants: Iterable[Grant],
    *,
    scopes: frozenset[str] | None = None,
    only: frozenset[str] | None = None,
    person: bool = False,
) -> Access:
    """The access that grants amount to, within the limits of a credential.

    Args:
        grants: The roles granted to the principal.
        scopes: Permissions that the credential is limited to; None for all.
        only: Ids of workspaces that the credential is limited to; None for all.
        person: Whether the principal is a person, to whom no role gives permissions for programs.
    """
    kept = PERMISSIONS.keys() - NOT_FOR_PEOPLE if person else PERMISSIONS.keys()
    tenant, everywhere = set[str](), set[str]()
    workspaces: dict[str, set[str]] = {}
    for grant in grants:
        held = grant.role.permissions & kept
        if grant.workspace_id:
            workspaces.setdefault(grant.workspace_id, set()).update(held - _ABOVE_WORKSPACES)
        else:
            everywhere |= held - _ABOVE_WORKSPACES
        above = held & _ABOVE_WORKSPACES
        tenant |= above & MEMBER_PERMISSIONS if grant.workspace_id else above
    return Access(
        tenant=frozenset(tenant),
        everywhere=frozenset(everywhere),
        workspaces={name: frozenset(held) for name, held in workspaces.items()},
        only=only,
    ).limited(scopes)
