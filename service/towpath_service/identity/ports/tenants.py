"""The port of tenants and their workspaces, which identity's storage implements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from towpath_service.identity.domain.principals import Tenant, WorkspaceEntry


class TenantRecord(Protocol):
    """The record of one tenant."""

    def read(self) -> Tenant | None:
        """The tenant; None when there is none."""
        ...

    def touch(self) -> None:
        """Records that callers' rights change, so that replicas read them anew.

        Serialises the changes of one tenant: a transaction that decides by the present state, such
        as the other owners, calls this first.
        """
        ...

    def stored_bytes(self) -> int:
        """How much the tenant stores: bytes."""
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
        """The first kind of content of a workspace, such as "runs"; None if it is empty."""
        ...

    def remove(self, workspace_id: str) -> bool:
        """Removes a workspace with its role bindings; False when there is none."""
        ...


class TenantDirectory(Protocol):
    """All tenants of the installation."""

    def page(self, *, after: str, limit: int) -> list[Tenant]:
        """A page of tenants by slug: the first ones above `after`."""
        ...

    def find(self, slug: str, *, lock: bool = False) -> Tenant | None:
        """A tenant by its slug; `lock` keeps other transactions from changing it."""
        ...

    def add(self, tenant: Tenant) -> bool:
        """Makes a tenant; False when its slug is taken."""
        ...

    def change(self, tenant: Tenant) -> None:
        """Writes a tenant's suspension and limits."""
        ...

    def of_credential(self, credential_id: str) -> str | None:
        """The tenant that a credential belongs to."""
        ...

    def changed_since(self, since_us: int) -> list[str]:
        """Ids of tenants whose callers' rights changed since a time of the database's clock."""
        ...
