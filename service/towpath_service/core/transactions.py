"""Transactions as a subject's application sees them, on any database.

The application opens one through the store of its own subject. If a second subject takes part, the
first passes the transaction on, and the other subject's store works on it (`store.on`). Only the
`storage/` of a subject uses its connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from towpath_service.core.names import Scope


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


class Quotas(Protocol):
    """Reads a quota of tenants within a transaction."""

    def __call__(
        self, transaction: Transaction, tenant_ids: Collection[str], name: str
    ) -> Mapping[str, int]:
        """The quota by tenant id; a tenant without it is left out."""
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


class RunSecrets(Protocol):
    """Reads within a transaction which secrets a run may use."""

    def __call__(
        self, transaction: Transaction, tenant_id: str, workspace_id: str, run_id: str
    ) -> Collection[str] | None:
        """Ids of the secrets that its deployment names; None for a run without a deployment."""
        ...


class SlotHolder(NamedTuple):
    """An acquisition that holds slots of a limit."""

    acquisition_id: str
    run_id: str
    """Id of its run; empty for none."""
    holder: str
    """What it says of itself."""


class SlotWait(NamedTuple):
    """A limit whose slots a run waits for."""

    limit_id: str
    since_us: int
    held: int
    slots: int
    holders: Sequence[SlotHolder]


class SlotWaits(Protocol):
    """Reads within a transaction the slots that a run waits for."""

    def __call__(self, transaction: Transaction, scope: Scope, run_id: str) -> Sequence[SlotWait]:
        """The limits, by the time since when it waits."""
        ...


class LeasedMove(NamedTuple):
    """A change of the state of a run that was, or was to be, dispatched to a worker."""

    tenant_id: str
    run_id: str
    fence: int
    """Fence of the lease that the run executes under; 0 for a run that ended before it had one."""
    ended: bool
    """Whether the state is terminal; False for RUNNING."""


class LeaseMoves(Protocol):
    """Moves the leases of runs within the transaction that has changed the runs."""

    def __call__(self, transaction: Transaction, moves: Sequence[LeasedMove], now_us: int) -> None:
        """Follows runs that are RUNNING or have ended, with or without a lease."""
        ...
