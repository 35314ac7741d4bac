"""What a caller may do: the roles it has, within what its credential is limited to."""

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
    """A role that a principal has."""

    role: Role
    workspace_id: str = ""
    """Where; empty for the whole tenant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Permissions by where they hold."""

    tenant: frozenset[str] = _NONE
    """In the tenant itself."""
    everywhere: frozenset[str] = _NONE
    """In every workspace."""
    workspaces: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    """In some workspaces, beside what holds everywhere."""
    only: frozenset[str] | None = None
    """Workspaces that the credential is limited to; None for no limit."""

    def in_workspace(self, workspace_id: str) -> frozenset[str]:
        """Permissions in a workspace."""
        if self.only is not None and workspace_id not in self.only:
            return _NONE
        return self.everywhere | self.workspaces.get(workspace_id, _NONE)

    def anywhere(self, permission: str) -> bool:
        """Whether there is a workspace, made or not, with a permission."""
        if permission in self.everywhere:
            return True
        return any(permission in self.in_workspace(name) for name in self.workspaces)

    def limited(self, scopes: frozenset[str] | None) -> Access:
        """The same, within a set of permissions."""
        if scopes is None:
            return self
        return Access(
            tenant=self.tenant & scopes,
            everywhere=self.everywhere & scopes,
            workspaces={name: held & scopes for name, held in self.workspaces.items()},
            only=self.only,
        )

    def covers(self, role: Role, workspace_id: str) -> bool:
        """Whether everything that a role permits somewhere is held there already.

        Nobody gives what they lack, but for what only machines are to have.
        """
        held = self.everywhere if not workspace_id else self.in_workspace(workspace_id)
        needed = role.permissions - MACHINE_PERMISSIONS
        if workspace_id:
            needed -= _ABOVE_WORKSPACES
        return needed <= held | self.tenant and (self.only is None or bool(workspace_id))


ALL_ACCESS: Final = Access(tenant=_ABOVE_WORKSPACES, everywhere=frozenset(WORKSPACE_PERMISSIONS))
"""Of the one principal of a service that asks nobody who they are."""


def access_of(
    grants: Iterable[Grant],
    *,
    scopes: frozenset[str] | None = None,
    only: frozenset[str] | None = None,
    person: bool = False,
) -> Access:
    """What grants amount to, within the limits of a credential.

    Args:
        grants: The principal's roles.
        scopes: Permissions that the credential is limited to; None for all.
        only: Workspaces that it is limited to; None for all.
        person: Whether they are a person's, to whom no role gives what only programs are to have.
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
