"""Transactions as a subject's application sees them, on any database.

The application opens one through the store of its own subject. If a second subject takes part, the
first passes the transaction on, and the other subject's store works on it (`store.on`). Only the
`storage/` of a subject uses its connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


class Transaction(Protocol):
    """An open database transaction, opaque to the application."""

    @property
    def tenants(self) -> Collection[str]:
        """Ids of the tenants whose rows it may touch."""
        ...


class StorageLimits(Protocol):
    """Reads the storage limits of tenants within a transaction."""

    def __call__(self, transaction: Transaction, tenant_ids: Collection[str]) -> Mapping[str, int]:
        """Limits in bytes, by tenant id; a tenant without a limit is left out."""
        ...


class StoredBytes(Protocol):
    """Reads the stored bytes of a tenant within a transaction."""

    def __call__(self, transaction: Transaction, tenant_id: str) -> int:
        """The number of bytes."""
        ...


class WorkspaceContents(Protocol):
    """Reads within a transaction whether a workspace contains data of one subject."""

    def __call__(self, transaction: Transaction, tenant_id: str, workspace_id: str) -> bool:
        """True if it does; such a workspace can't be removed."""
        ...
