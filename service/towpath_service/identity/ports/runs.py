"""The port through which identity reads the leases of runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from towpath_service.core.names import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLease:
    """A lease that a worker holds: the run that it may start, and hand a token to."""

    run_id: str
    attempt: int
    fence: int


class HeldLeases(Protocol):
    """Reads the leases of workers."""

    async def __call__(self, scope: Scope, lease_id: str, principal: str, /) -> HeldLease | None:
        """A lease that a worker of a principal holds; None if none of its workers does.

        Args:
            scope: The workspace.
            lease_id: Id of the lease.
            principal: Resource name of the principal that the worker has attached as.
        """
        ...
