"""Creates, suspends and limits tenants, and makes the first one; used by TenantService."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from towpath_auth import LOCAL_TENANT_ID, LOCAL_WORKSPACE_ID

from towpath_service.core.errors import not_found
from towpath_service.identity.application.audit import SYSTEM
from towpath_service.identity.application.members import OWNER
from towpath_service.identity.domain.principals import (
    KEY_LIFE_SECONDS,
    Binding,
    Principal,
    Tenant,
    WorkspaceEntry,
    exists,
    in_use,
    new_id,
    parse_email,
    parse_named,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from towpath_service.core.clock import Clock
    from towpath_service.identity.application.api_keys import ApiKeys, MadeKey
    from towpath_service.identity.application.audit import AuditTrail
    from towpath_service.identity.application.authority import Authority
    from towpath_service.identity.ports.store import Identity, IdentityStore, Installation

FIRST_SLUG: Final = "main"
_PLATFORM_ADMIN: Final = "platform-admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeTenant:
    """A tenant that was made, with its owner's first key."""

    tenant: Tenant
    owner: Principal
    api_key: str = field(repr=False)
    expires_us: int | None
    """When the key ends; None for never."""


class Tenants:
    """Manages the tenants of one installation."""

    def __init__(
        self,
        store: IdentityStore,
        authority: Authority,
        trail: AuditTrail,
        keys: ApiKeys,
        clock: Clock,
    ) -> None:
        self._store = store
        self._authority = authority
        self._trail = trail
        self._keys = keys
        self._clock = clock

    async def first(self, owner_email: str, *, key_seconds: float | None) -> MadeTenant | None:
        """Makes the first tenant, which takes over all earlier runs; None when it exists.

        Args:
            owner_email: Address of its owner, who also operates the installation.
            key_seconds: Lifetime of that user's first key; None for no end.

        Raises:
            ServiceError: INVALID_REQUEST: the owner's address isn't an e-mail address.
        """
        tenant = self._tenant(LOCAL_TENANT_ID, FIRST_SLUG, "")
        roles = (OWNER, _PLATFORM_ADMIN)
        return await self._make(tenant, owner_email, roles, key_seconds)

    async def recover(self) -> MadeTenant | None:
        """Makes a key for an owner of the first tenant; None when there is no owner."""

        def work(identity: Identity) -> MadeTenant | None:
            tenant = identity.tenant.read()
            users = identity.principals.users_with(OWNER, limit=1)
            if tenant is None or not users:
                return None
            made = self._keys.add(
                identity,
                users[0],
                created_by=SYSTEM,
                display_name="recovered",
            )
            self._trail.add_by_system(
                identity,
                action="owner.recover",
                command="towpath server recover-owner",
                resource=made.name,
            )
            return _made(tenant, made)

        return await self._store.tenant(LOCAL_TENANT_ID, work)

    async def create(
        self, slug: str, display_name: str, owner_email: str, quotas: Mapping[str, int]
    ) -> MadeTenant:
        """Makes a tenant with a workspace and an owner; raises RESOURCE_EXISTS."""
        tenant = replace(self._tenant(new_id(), slug, display_name), quotas=dict(quotas))
        made = await self._make(tenant, owner_email, (OWNER,), KEY_LIFE_SECONDS)
        if made is None:
            raise exists(tenant.name)
        return made

    async def tenants(self, after: str = "", *, limit: int) -> list[Tenant]:
        """A page of tenants by slug: the first ones above `after`."""
        return await self._store.installation(
            lambda installation: installation.tenants.page(after=after, limit=limit)
        )

    async def get(self, name: str) -> Tenant:
        """A tenant by its name; raises RESOURCE_NOT_FOUND."""
        slug = parse_named(name, "tenants", "name")
        tenant = await self._store.installation(
            lambda installation: installation.tenants.find(slug)
        )
        if tenant is None:
            raise not_found(name)
        return tenant

    async def change(
        self,
        name: str,
        *,
        suspended: bool | None = None,
        quotas: Mapping[str, int] | None = None,
        only: Collection[str] = (),
    ) -> Tenant:
        """Suspends or resumes a tenant, or sets its limits, and records that in its own log.

        Args:
            name: Its name.
            suspended: Whether it is suspended from now on; None for no change.
            quotas: Its limits, where a missing one means the installation's; None for no change.
            only: Names of the limits to set; empty for all.

        Raises:
            ServiceError: RESOURCE_NOT_FOUND; RESOURCE_IN_USE for the operator's own tenant.
        """
        slug = parse_named(name, "tenants", "name")

        def work(installation: Installation) -> Tenant:
            tenant = installation.tenants.find(slug, lock=True)
            if tenant is None:
                raise not_found(name)
            if suspended and tenant.tenant_id == LOCAL_TENANT_ID:
                raise in_use(name, "the operator of this installation")
            if suspended is not None:
                tenant = replace(tenant, suspended=suspended)
            if quotas is not None:
                stay = {
                    key: tenant.quotas[key] for key in tenant.quotas if only and key not in only
                }
                given = {key: quotas[key] for key in quotas if not only or key in only}
                tenant = replace(tenant, quotas={**stay, **given})
            installation.tenants.change(tenant)
            return tenant

        tenant = await self._store.installation(work)
        await self._authority.forget(tenant.tenant_id)
        await self._trail.tell(tenant.tenant_id)
        return tenant

    def _tenant(self, tenant_id: str, slug: str, display_name: str) -> Tenant:
        return Tenant(
            tenant_id=tenant_id,
            slug=slug,
            display_name=display_name,
            created_us=self._clock.now_us(),
        )

    async def _make(
        self, tenant: Tenant, email: str, roles: tuple[str, ...], key_seconds: float | None
    ) -> MadeTenant | None:
        def take(installation: Installation) -> Tenant:
            installation.tenants.add(tenant)
            found = installation.tenants.find(tenant.slug)
            assert found is not None
            return found

        # A retry after an interruption in between finds a tenant without members, and continues.
        taken = await self._store.installation(take)
        return await self._store.tenant(
            taken.tenant_id,
            lambda identity: self._settle(identity, taken, email, roles, key_seconds),
        )

    def _settle(
        self,
        identity: Identity,
        tenant: Tenant,
        email: str,
        roles: tuple[str, ...],
        key_seconds: float | None,
    ) -> MadeTenant | None:
        identity.tenant.touch()
        if identity.principals.page(None, limit=1):
            return None
        self._trail.begin(identity, tenant.tenant_id)
        now_us = self._clock.now_us()
        owner = Principal(
            principal_id=new_id(),
            kind="user",
            handle=parse_email(email, "owner"),
            display_name="",
            created_us=now_us,
        )
        identity.workspaces.add(
            WorkspaceEntry(workspace_id=LOCAL_WORKSPACE_ID, display_name="", created_us=now_us)
        )
        identity.principals.add(owner)
        for role_id in roles:
            identity.bindings.add(
                Binding(
                    principal_id=owner.principal_id,
                    role_id=role_id,
                    workspace_id="",
                    created_by=SYSTEM,
                    created_us=now_us,
                )
            )
        made = self._keys.add(
            identity,
            owner,
            created_by=SYSTEM,
            display_name="first key",
            life_seconds=key_seconds,
        )
        if tenant.tenant_id == LOCAL_TENANT_ID:
            self._trail.add_by_system(
                identity,
                action="identity.init",
                command="towpath server init-auth",
                resource=made.name,
            )
        return _made(tenant, made)


def _made(tenant: Tenant, made: MadeKey) -> MadeTenant:
    return MadeTenant(
        tenant=tenant,
        owner=made.owner,
        api_key=made.key.text,
        expires_us=made.stored.expires_us,
    )
