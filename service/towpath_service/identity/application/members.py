"""Workspaces, principals, roles and bindings of a tenant; used by the handlers of AccessService.

A caller can't give a permission that it lacks: a role or a key that permits more than its giver may
do is refused, and so is a key with wider limits than the one it was made with. A tenant always
keeps at least one owner.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from towpath_auth import (
    BUILT_IN_ROLES,
    LOCAL_TENANT_ID,
    PERMISSIONS,
    PLATFORM_PERMISSIONS,
    Role,
)

from towpath_service.core.errors import ServiceError, denied, invalid, not_found
from towpath_service.identity.application.rights import (
    check_covers,
    check_covers_roles,
    known_role,
    known_workspace,
    roles_by_id,
)
from towpath_service.identity.domain.principals import (
    Binding,
    BindingPlace,
    Principal,
    PrincipalKind,
    StoredRole,
    WorkspaceEntry,
    exists,
    in_use,
    new_id,
    parse_named,
    parse_principal,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from towpath_auth import Caller

    from towpath_service.core.clock import Clock
    from towpath_service.identity.application.api_keys import ApiKeys
    from towpath_service.identity.application.audit import AuditTrail
    from towpath_service.identity.ports.store import Identity, IdentityStore

Result = TypeVar("Result")

OWNER: Final = "owner"
_FIRST_ROLE: Final = "roles/member"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser:
    """A user to be made."""

    email: str
    display_name: str
    role: str
    """"roles/{role}"; empty for that of a member."""
    workspace: str
    """Workspace of the role; empty for the whole tenant."""
    with_api_key: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A principal that was made."""

    principal: Principal
    api_key: str = field(default="", repr=False)
    """Its first key in plain text; empty when none was asked for."""
    expires_us: int | None = None
    """When that key ends; None for never."""


class Members:
    """Manages workspaces, principals, roles and bindings within a caller's tenant."""

    def __init__(
        self,
        store: IdentityStore,
        keys: ApiKeys,
        trail: AuditTrail,
        clock: Clock,
    ) -> None:
        self._store = store
        self._keys = keys
        self._trail = trail
        self._clock = clock

    async def stored_bytes(self, caller: Caller) -> int:
        """How much the caller's tenant stores: bytes."""
        return await self._store.tenant(
            caller.tenant_id, lambda identity: identity.tenant.stored_bytes()
        )

    async def workspaces(self, caller: Caller) -> list[WorkspaceEntry]:
        """The workspaces that a caller has access to."""
        entries = await self._read(caller, lambda identity: identity.workspaces.all())
        return [entry for entry in entries if caller.access.in_workspace(entry.workspace_id)]

    async def create_workspace(
        self, caller: Caller, workspace_id: str, display_name: str
    ) -> WorkspaceEntry:
        """Makes a workspace; raises RESOURCE_EXISTS."""
        entry = WorkspaceEntry(
            workspace_id=workspace_id,
            display_name=display_name,
            created_us=self._clock.now_us(),
        )

        def work(identity: Identity) -> WorkspaceEntry:
            if not identity.workspaces.add(entry):
                raise exists(f"workspaces/{workspace_id}")
            return entry

        return await self._change(caller, work)

    async def delete_workspace(self, caller: Caller, name: str) -> None:
        """Removes an empty workspace; raises RESOURCE_NOT_FOUND or RESOURCE_IN_USE."""
        workspace_id = parse_named(name, "workspaces", "name")

        def work(identity: Identity) -> None:
            contents = identity.workspaces.contents(workspace_id)
            if contents is not None:
                raise in_use(name, f"its {contents}")
            if not identity.workspaces.remove(workspace_id):
                raise not_found(name)

        await self._change(caller, work)

    async def principals(
        self, caller: Caller, kind: PrincipalKind, after: str = "", *, limit: int
    ) -> list[Principal]:
        """A page of users or service accounts by handle: the first ones above `after`."""
        return await self._read(
            caller, lambda identity: identity.principals.page(kind, after=after, limit=limit)
        )

    async def create_user(self, caller: Caller, new: NewUser) -> Made:
        """Makes a user with a role; raises RESOURCE_EXISTS, or PERMISSION_MISSING."""
        user = self._principal("user", new.email.lower(), new.display_name)

        def work(identity: Identity) -> Made:
            self._add(identity, caller, user, new.role or _FIRST_ROLE, new.workspace)
            if not new.with_api_key:
                return Made(principal=user)
            made = self._keys.add(identity, user, created_by=caller.principal)
            return Made(principal=user, api_key=made.key.text, expires_us=made.stored.expires_us)

        return await self._change(caller, work)

    async def create_service_account(
        self, caller: Caller, account_id: str, display_name: str, role: str, workspace: str
    ) -> Principal:
        """Makes a service account, with or without a role; raises as `create_user`."""
        account = self._principal("service_account", account_id, display_name)

        def work(identity: Identity) -> Principal:
            self._add(identity, caller, account, role, workspace)
            return account

        return await self._change(caller, work)

    async def delete_principal(self, caller: Caller, name: str, kind: PrincipalKind) -> None:
        """Removes a principal with its keys and roles.

        Raises:
            ServiceError: RESOURCE_NOT_FOUND; LAST_OWNER; PERMISSION_MISSING: the principal has a
                role that the caller couldn't give.
        """
        found_kind, handle = parse_principal(name, "name")

        def work(identity: Identity) -> None:
            principal = identity.principals.find(kind, handle) if found_kind == kind else None
            if principal is None:
                raise not_found(name)
            check_covers_roles(identity, caller, principal)
            identity.principals.remove(principal.principal_id)
            _keep_an_owner(identity)

        await self._change(caller, work)

    async def roles(self, caller: Caller) -> list[Role]:
        """All roles of the tenant: the built-in ones, then its own."""
        own = await self._read(caller, lambda identity: roles_by_id(identity.roles.all()))
        built_in = [*BUILT_IN_ROLES.values()]
        if caller.tenant_id != LOCAL_TENANT_ID:
            built_in = [role for role in built_in if not role.permissions & _OF_PLATFORM]
        return [*built_in, *(role for key, role in own.items() if key not in BUILT_IN_ROLES)]

    async def create_role(
        self, caller: Caller, role_id: str, display_name: str, permissions: Collection[str]
    ) -> Role:
        """Makes a role from permissions that the caller has.

        Raises:
            ServiceError: RESOURCE_EXISTS, INVALID_REQUEST or PERMISSION_MISSING.
        """
        role = Role(role_id=role_id, display_name=display_name, permissions=frozenset(permissions))
        _check_permissions(role)
        check_covers(caller, role, "")
        stored = StoredRole(
            role_id=role_id,
            display_name=display_name,
            permissions=role.permissions,
            created_us=self._clock.now_us(),
        )

        def work(identity: Identity) -> Role:
            if role_id in BUILT_IN_ROLES or not identity.roles.add(stored):
                raise exists(f"roles/{role_id}")
            return role

        return await self._change(caller, work)

    async def delete_role(self, caller: Caller, name: str) -> None:
        """Removes a role; raises RESOURCE_NOT_FOUND or RESOURCE_IN_USE."""
        role_id = parse_named(name, "roles", "name")

        def work(identity: Identity) -> None:
            if role_id in BUILT_IN_ROLES:
                raise in_use(name, "every tenant, being built in")
            if identity.roles.is_held(role_id):
                raise in_use(name, "the principals that have it")
            if not identity.roles.remove(role_id):
                raise not_found(name)

        await self._change(caller, work)

    async def bindings(
        self, caller: Caller, principal: str, after: BindingPlace | None, limit: int
    ) -> list[tuple[Binding, Principal]]:
        """A page of role bindings: of one principal, or of all for an empty name."""

        def work(identity: Identity) -> list[tuple[Binding, Principal]]:
            whose = identity.principals.find(*parse_principal(principal, "principal"))
            if whose is None:
                return []
            return identity.bindings.page(whose.principal_id, after=after, limit=limit)

        if principal:
            return await self._read(caller, work)
        return await self._read(
            caller, lambda identity: identity.bindings.page(None, after=after, limit=limit)
        )

    async def grant(
        self, caller: Caller, principal: str, role: str, workspace: str
    ) -> tuple[Binding, Principal]:
        """Grants a role that the caller has; granting it again changes nothing.

        Raises:
            ServiceError: RESOURCE_NOT_FOUND or PERMISSION_MISSING.
        """

        def work(identity: Identity) -> tuple[Binding, Principal]:
            found = _existing(identity, principal)
            return self._bind(identity, caller, found, role, workspace), found

        return await self._change(caller, work)

    async def revoke(self, caller: Caller, principal: str, role: str, workspace: str) -> None:
        """Revokes a role that the caller could grant.

        Raises:
            ServiceError: RESOURCE_NOT_FOUND, PERMISSION_MISSING or LAST_OWNER.
        """

        def work(identity: Identity) -> None:
            found = _existing(identity, principal)
            bound = known_role(identity, role, "role")
            workspace_id = parse_named(workspace, "workspaces", "workspace") if workspace else ""
            check_covers(caller, bound, workspace_id)
            if not identity.bindings.remove(found.principal_id, bound.role_id, workspace_id):
                raise not_found(f"{role} of {principal}")
            _keep_an_owner(identity)

        await self._change(caller, work)

    def _add(
        self, identity: Identity, caller: Caller, principal: Principal, role: str, workspace: str
    ) -> None:
        if not identity.principals.add(principal):
            raise exists(principal.name)
        if role:
            self._bind(identity, caller, principal, role, workspace)

    def _bind(
        self, identity: Identity, caller: Caller, principal: Principal, role: str, workspace: str
    ) -> Binding:
        bound = known_role(identity, role, "role")
        workspace_id = known_workspace(identity, workspace, "workspace") if workspace else ""
        check_covers(caller, bound, workspace_id)
        if principal.kind == "user" and _LEASING in bound.permissions:
            raise invalid(
                "role",
                f"roles/{bound.role_id} is for service accounts: people start no runs of others",
            )
        if bound.permissions & _OF_PLATFORM and caller.tenant_id != LOCAL_TENANT_ID:
            raise denied("platform.manage", "")
        binding = Binding(
            principal_id=principal.principal_id,
            role_id=bound.role_id,
            workspace_id=workspace_id,
            created_by=caller.principal,
            created_us=self._clock.now_us(),
        )
        identity.bindings.add(binding)
        return binding

    def _principal(self, kind: PrincipalKind, handle: str, display_name: str) -> Principal:
        return Principal(
            principal_id=new_id(),
            kind=kind,
            handle=handle,
            display_name=display_name,
            created_us=self._clock.now_us(),
        )

    async def _read(self, caller: Caller, work: Callable[[Identity], Result]) -> Result:
        return await self._store.tenant(caller.tenant_id, work)

    async def _change(self, caller: Caller, work: Callable[[Identity], Result]) -> Result:
        return await self._trail.change(caller.tenant_id, work)


_LEASING: Final = "work.lease"
_OF_PLATFORM: Final = frozenset(PLATFORM_PERMISSIONS)


def _existing(identity: Identity, name: str) -> Principal:
    kind, handle = parse_principal(name, "principal")
    found = identity.principals.find(kind, handle)
    if found is None:
        raise not_found(name)
    return found


def _keep_an_owner(identity: Identity) -> None:
    if identity.principals.users_with(OWNER, limit=1):
        return
    raise ServiceError(
        reason="LAST_OWNER",
        message="a tenant keeps at least one owner: make another user an owner first",
    )


def _check_permissions(role: Role) -> None:
    unknown = sorted(role.permissions - PERMISSIONS.keys() | role.permissions & _OF_PLATFORM)
    if unknown:
        raise invalid(
            "permissions", f"{unknown[0]!r} can't be in a role: take some of those of `role ls`"
        )
