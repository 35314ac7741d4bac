"""Transactions as a subject's application sees them, whatever database they run on.

The application opens one through the store of its own subject. Where a second subject takes part,
the first hands the transaction on, and the other subject's store works on it (`store.on`). Only the
`storage/` of a subject looks inside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


class Transaction(Protocol):
    """A database transaction under way: opaque to the application."""

    @property
    def tenants(self) -> Collection[str]:
        """Ids of the tenants whose rows it may touch."""
        ...


class StorageLimits(Protocol):
    """Reads within a transaction how much tenants may store."""

    def __call__(self, transaction: Transaction, tenant_ids: Collection[str]) -> Mapping[str, int]:
        """Limits in bytes, by tenant id; a tenant without a limit is left out."""
        ...


class StoredBytes(Protocol):
    """Reads within a transaction how much a tenant stores."""

    def __call__(self, transaction: Transaction, tenant_id: str) -> int:
        """Bytes."""
        ...


class WorkspaceContents(Protocol):
    """Reads within a transaction whether a workspace holds anything of one subject."""

    def __call__(self, transaction: Transaction, tenant_id: str, workspace_id: str) -> bool:
        """True if it does: such a workspace isn't removed."""
        ...
