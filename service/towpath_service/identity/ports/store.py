"""The store of identity as a port: transactions on a tenant, or on the installation."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from towpath_service.core.transactions import Transaction
    from towpath_service.identity.domain.principals import (
        Binding,
        Principal,
        StoredKey,
        StoredRole,
        Tenant,
    )
    from towpath_service.identity.ports.audit import AuditEntries
    from towpath_service.identity.ports.devices import WaitingDevices
    from towpath_service.identity.ports.keys import Keys
    from towpath_service.identity.ports.principals import Principals
    from towpath_service.identity.ports.roles import Bindings, Roles
    from towpath_service.identity.ports.server_keys import ServerKeyRecords
    from towpath_service.identity.ports.tenants import TenantDirectory, TenantRecord, Workspaces
    from towpath_service.identity.ports.trusts import Trusts

Result = TypeVar("Result")


class Standing(NamedTuple):
    """All data that determine a caller's rights, read in one moment."""

    tenant: Tenant
    principal: Principal
    key: StoredKey
    bindings: Sequence[Binding]
    roles: Sequence[StoredRole]
    workspaces: Mapping[str, str]
    """Display names of all workspaces of the tenant, by id."""


class Identity(Protocol):
    """One transaction on one tenant."""

    @property
    def tenant(self) -> TenantRecord:
        """The tenant itself."""
        ...

    @property
    def workspaces(self) -> Workspaces:
        """Its workspaces."""
        ...

    @property
    def principals(self) -> Principals:
        """Its users and service accounts."""
        ...

    @property
    def keys(self) -> Keys:
        """The API keys and logins of its principals."""
        ...

    @property
    def roles(self) -> Roles:
        """The roles that it has defined."""
        ...

    @property
    def bindings(self) -> Bindings:
        """Its role bindings."""
        ...

    @property
    def trusts(self) -> Trusts:
        """The issuers that it trusts."""
        ...

    @property
    def audit(self) -> AuditEntries:
        """Its audit log."""
        ...

    def standing(self, credential_id: str) -> Standing | None:
        """All data that determine the rights of a credential; None when it doesn't exist."""
        ...


class Installation(Protocol):
    """One transaction on the installation: the data that is read before a tenant is known."""

    @property
    def transaction(self) -> Transaction:
        """The transaction itself, for the store of another subject to work on."""
        ...

    @property
    def tenants(self) -> TenantDirectory:
        """All tenants."""
        ...

    @property
    def devices(self) -> WaitingDevices:
        """Pending device logins."""
        ...

    @property
    def server_keys(self) -> ServerKeyRecords:
        """The service's own secrets."""
        ...

    def now_us(self) -> int:
        """The database's clock, microseconds since the Unix epoch."""
        ...


class IdentityStore(Protocol):
    """The store of tenants, principals, credentials, roles and audit logs."""

    def on(self, transaction: Transaction, tenant_id: str) -> Identity:
        """The identity of one tenant within a transaction that another subject has opened."""
        ...

    async def tenant(self, tenant_id: str, work: Callable[[Identity], Result]) -> Result:
        """Runs work on one tenant in one transaction."""
        ...

    async def installation(self, work: Callable[[Installation], Result]) -> Result:
        """Runs work on the installation in one transaction."""
        ...
