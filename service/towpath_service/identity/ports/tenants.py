"""Tenants and their workspaces, as identity needs them of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from towpath_service.identity.domain.principals import Tenant, WorkspaceEntry


class TenantRecord(Protocol):
    """What is kept of one tenant."""

    def read(self) -> Tenant | None:
        """The tenant."""
        ...

    def touch(self) -> None:
        """Notes that callers' rights change: replicas look anew.

        Changes of one tenant come one after the other: whoever decides by what is there, such as
        who else is an owner, begins with this.
        """
        ...

    def stored_bytes(self) -> int:
        """What the tenant stores: bytes."""
        ...


class Workspaces(Protocol):
    """The workspaces of one tenant."""

    def all(self) -> list[WorkspaceEntry]:
        """The workspaces, by id."""
        ...

    def add(self, entry: WorkspaceEntry) -> bool:
        """Makes a workspace; False when it is there."""
        ...

    def contents(self, workspace_id: str) -> str | None:
        """The first kind of thing that a workspace holds, such as "runs"; None for an empty one."""
        ...

    def remove(self, workspace_id: str) -> bool:
        """Removes a workspace with the roles in it; False when there is none."""
        ...


class TenantDirectory(Protocol):
    """All tenants of the installation."""

    def page(self, *, after: str, limit: int) -> list[Tenant]:
        """Some tenants: the first ones above a slug, by slug."""
        ...

    def find(self, slug: str, *, lock: bool = False) -> Tenant | None:
        """A tenant by its slug, which nobody else changes meanwhile if it is locked."""
        ...

    def add(self, tenant: Tenant) -> bool:
        """Makes a tenant; False when its slug is taken."""
        ...

    def change(self, tenant: Tenant) -> None:
        """Writes whether a tenant is suspended, and its limits."""
        ...

    def of_credential(self, credential_id: str) -> str | None:
        """The tenant that a credential belongs to."""
        ...

    def changed_since(self, since_us: int) -> list[str]:
        """Tenants in which callers' rights have changed since a time of the database's clock."""
        ...
