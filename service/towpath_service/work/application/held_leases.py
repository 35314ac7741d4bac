"""Reads the leases of workers for identity, which hands out tokens of leased runs only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath_service.identity.ports.runs import HeldLease

if TYPE_CHECKING:
    from towpath_service.core.names import Scope
    from towpath_service.work.ports.control import Control, ControlStore


class HeldLeases:
    """Reads the leases of workers."""

    def __init__(self, store: ControlStore) -> None:
        self._store = store

    async def __call__(self, scope: Scope, lease_id: str, principal: str, /) -> HeldLease | None:
        """A lease that a worker of a principal holds; None if none of its workers does."""

        def work(control: Control) -> HeldLease | None:
            found = control.lease_of_worker(scope, lease_id, principal)
            if found is None:
                return None
            return HeldLease(run_id=found.run_id, attempt=found.attempt, fence=found.fence)

        return await self._store.read({scope.tenant_id}, work)
