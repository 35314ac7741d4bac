"""What identity needs of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from towpath_auth.audit import AuditHead, AuditRecord

    from towpath_service.core.transactions import Transaction
    from towpath_service.identity.domain.principals import (
        Binding,
        BindingPlace,
        Principal,
        PrincipalKind,
        ServerKey,
        StoredKey,
        StoredRole,
        StoredTrust,
        Tenant,
        WaitingDevice,
        WorkspaceEntry,
    )

Result = TypeVar("Result")


class Standing(NamedTuple):
    """All that a caller's rights follow from, as it was in one moment."""

    tenant: Tenant
    principal: Principal
    key: StoredKey
    bindings: Sequence[Binding]
    roles: Sequence[StoredRole]
    workspaces: Mapping[str, str]
    """Names to show of all workspaces of the tenant, by id."""


class AuditLog(NamedTuple):
    """Some of a tenant's audit log."""

    entries: list[tuple[AuditRecord, str]]
    """With their hashes, newest first."""
    head: AuditHead
    """The end of all of it."""
    seal: str
    """Of the end; empty where the log has none."""


class Identity(Protocol):
    """One transaction about who is who in one tenant."""

    def tenant(self) -> Tenant | None:
        """The tenant."""
        ...

    def standing(self, credential_id: str) -> Standing | None:
        """All that the rights of whoever holds a key follow from."""
        ...

    def workspaces(self) -> list[WorkspaceEntry]:
        """The workspaces, by id."""
        ...

    def add_workspace(self, entry: WorkspaceEntry) -> bool:
        """Makes a workspace; False when it is there."""
        ...

    def contents(self, workspace_id: str) -> str | None:
        """The first kind of thing that a workspace holds, such as "runs"; None for an empty one."""
        ...

    def remove_workspace(self, workspace_id: str) -> bool:
        """Removes a workspace with the roles in it; False when there is none."""
        ...

    def principal(self, kind: PrincipalKind, handle: str) -> Principal | None:
        """A principal by its handle."""
        ...

    def principals(
        self, kind: PrincipalKind | None, *, after: str = "", limit: int
    ) -> list[Principal]:
        """Some principals: the first ones above a handle, by handle."""
        ...

    def users_with(self, role_id: str, *, limit: int) -> list[Principal]:
        """Some of the users who have a role in the whole tenant, by handle."""
        ...

    def add_principal(self, principal: Principal) -> bool:
        """Makes a principal; False when its handle is taken."""
        ...

    def remove_principal(self, principal_id: str) -> None:
        """Removes a principal with its keys and roles."""
        ...

    def key(self, key_id: str) -> tuple[StoredKey, Principal] | None:
        """A key and whose it is."""
        ...

    def keys(self, principal_id: str) -> list[StoredKey]:
        """A principal's keys, newest first."""
        ...

    def add_key(self, key: StoredKey) -> bool:
        """Keeps a key; False when its public id is taken."""
        ...

    def change_key(self, key_id: str, **changes: int | str | None) -> None:
        """Sets columns of a key: expires_us, revoked_us, used_us, replaced_by."""
        ...

    def rotate_key(self, key: StoredKey, *, was: str) -> bool:
        """Writes which refresh tokens of a login hold; False when they have changed meanwhile.

        Args:
            key: The login with its digests as they are to be.
            was: Its digest as it was read.
        """
        ...

    def end_keys_of_trust(self, trust_id: str, revoked_us: int) -> None:
        """Revokes all that came of a trust."""
        ...

    def forget_sign_ins(self, principal_id: str, ended_before_us: int) -> None:
        """Removes a principal's logins that ended before a time."""
        ...

    def trust(self, trust_id: str) -> StoredTrust | None:
        """A trust by its id."""
        ...

    def trusts(self) -> list[StoredTrust]:
        """All trusts, by id."""
        ...

    def add_trust(self, trust: StoredTrust) -> bool:
        """Keeps a trust; False when its id is taken."""
        ...

    def remove_trust(self, trust_id: str) -> bool:
        """Removes a trust; False when there is none."""
        ...

    def roles(self) -> list[StoredRole]:
        """The tenant's own roles, by id."""
        ...

    def add_role(self, role: StoredRole) -> bool:
        """Makes a role; False when it is there."""
        ...

    def remove_role(self, role_id: str) -> bool:
        """Removes a role; False when there is none."""
        ...

    def bindings(self) -> list[Binding]:
        """Who has which role: all of it."""
        ...

    def bindings_of(self, principal_id: str) -> list[Binding]:
        """The roles of a principal."""
        ...

    def bindings_page(
        self, principal_id: str | None, *, after: BindingPlace | None, limit: int
    ) -> list[tuple[Binding, Principal]]:
        """Some of who has which role: by principal, role and workspace.

        Args:
            principal_id: Whose roles; None for everybody's.
            after: Only those that follow; None for the first ones.
            limit: Most to give.
        """
        ...

    def is_held(self, role_id: str) -> bool:
        """Whether anybody has a role."""
        ...

    def add_binding(self, binding: Binding) -> None:
        """Gives a role; giving it again changes nothing."""
        ...

    def remove_binding(self, principal_id: str, role_id: str, workspace_id: str) -> bool:
        """Takes a role away; False when it wasn't there."""
        ...

    def stored_bytes(self) -> int:
        """What the tenant stores: bytes."""
        ...

    def begin_audit(self, seal: Callable[[AuditHead], str]) -> None:
        """Gives an audit log without entries its end; changes nothing where it has either.

        Args:
            seal: Seals the end.
        """
        ...

    def append_audit(self, record: AuditRecord, seal: Callable[[AuditHead], str]) -> None:
        """Writes an entry at the end of the tenant's audit log.

        Where the end is lost, or isn't one that was sealed, the entry shows that.

        Args:
            record: The entry; its sequence and time are set here.
            seal: Seals the new end of the log.
        """
        ...

    def audit(self, *, before: int, limit: int) -> AuditLog:
        """Entries of the audit log below a sequence, and its end, as they were in one moment."""
        ...

    def touch(self) -> None:
        """Notes that callers' rights change: replicas look anew.

        Changes of one tenant come one after the other: whoever decides by what is there, such as
        who else is an owner, begins with this.
        """
        ...


class Installation(Protocol):
    """One transaction about the installation: what is looked up before a tenant is known."""

    @property
    def transaction(self) -> Transaction:
        """The transaction itself, for the store of another subject to work on."""
        ...

    def tenants(self, *, after: str, limit: int) -> list[Tenant]:
        """Some tenants: the first ones above a slug, by slug."""
        ...

    def tenant(self, slug: str, *, lock: bool = False) -> Tenant | None:
        """A tenant by its slug, which nobody else changes meanwhile if it is locked."""
        ...

    def add_tenant(self, tenant: Tenant) -> bool:
        """Makes a tenant; False when its slug is taken."""
        ...

    def change_tenant(self, tenant: Tenant) -> None:
        """Writes whether a tenant is suspended, and its limits."""
        ...

    def tenant_of(self, credential_id: str) -> str | None:
        """The tenant that a credential belongs to."""
        ...

    def add_device(self, device: WaitingDevice) -> bool:
        """Keeps a device that waits; False when its codes are taken."""
        ...

    def forget_devices(self, before_us: int) -> None:
        """Removes the devices that ended before a time; looks at all that there are."""
        ...

    def device(self, device_id: str) -> WaitingDevice | None:
        """A device by the public id of its device code."""
        ...

    def device_by_code(self, user_code: str) -> WaitingDevice | None:
        """A device by its user code."""
        ...

    def devices_from(self, address: str, now_us: int) -> int:
        """How many devices wait that began at an address; till this commits, no other counts."""
        ...

    def note_poll(self, device_id: str, polled_us: int) -> None:
        """Writes when a device last asked."""
        ...

    def approve_device(self, device_id: str, tenant_id: str, credential_id: str) -> bool:
        """Writes which login a device gets; False when it has one already, or is gone."""
        ...

    def remove_device(self, device_id: str) -> bool:
        """Forgets a device; False when there is none."""
        ...

    def changed_since(self, since_us: int) -> list[str]:
        """Tenants in which callers' rights have changed since a time of the database's clock."""
        ...

    def now_us(self) -> int:
        """The database's clock, microseconds since the Unix epoch."""
        ...

    def server_keys(self) -> list[ServerKey]:
        """The service's own secrets, oldest first."""
        ...

    def add_server_key(self, key: ServerKey) -> None:
        """Keeps a secret."""
        ...

    def change_server_key(self, key: ServerKey) -> None:
        """Writes a secret anew: sealed differently, or with other times."""
        ...

    def remove_server_key(self, key: ServerKey) -> None:
        """Forgets a secret."""
        ...

    def peppers_in_use(self, now_us: int) -> set[int]:
        """Versions of the pepper that an API key or a device is hashed under which holds."""
        ...

    def oldest_login_us(self, now_us: int) -> int | None:
        """When the first of the logins was made that hold at a time; None when there is none."""
        ...


class IdentityStore(Protocol):
    """A store that knows who is who."""

    def on(self, transaction: Transaction, tenant_id: str) -> Identity:
        """The identity of one tenant within a transaction that another subject has opened."""
        ...

    async def tenant(self, tenant_id: str, work: Callable[[Identity], Result]) -> Result:
        """Runs work about one tenant in one transaction."""
        ...

    async def installation(self, work: Callable[[Installation], Result]) -> Result:
        """Runs work about the installation in one transaction."""
        ...
