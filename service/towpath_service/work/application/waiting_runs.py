"""Cancels the waiting runs of a deployment, within the transaction that removes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath_service.core.names import Scope
from towpath_service.runs.application.commit import Batch
from towpath_service.runs.domain.reports import StateReport
from towpath_service.runs.domain.states import RunState, Source
from towpath_service.runs.ports.ingest import RunKey
from towpath_service.work.application.moving import move
from towpath_service.work.domain.stopping import NEVER_STARTED

if TYPE_CHECKING:
    from towpath_service.core.bus import Bus
    from towpath_service.core.clock import Clock
    from towpath_service.core.transactions import Transaction
    from towpath_service.work.domain.names import DeploymentName
    from towpath_service.work.ports.control import ControlStore


class DeploymentRuns:
    """The runs of deployments that wait."""

    def __init__(self, store: ControlStore, bus: Bus, clock: Clock) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock

    def lock(self, transaction: Transaction, tenant_id: str, name: DeploymentName) -> None:
        """Locks the queue entries of a deployment."""
        self._store.on(transaction).queue.lock_of_deployment(tenant_id, name)

    def cancel(
        self, transaction: Transaction, tenant_id: str, name: DeploymentName, *, actor: str
    ) -> int:
        """Cancels the waiting runs of a deployment; returns how many.

        Entries that came after `lock` are locked here: no further one comes while the deployment
        is locked.
        """
        control = self._store.on(transaction)
        scope, now_us = Scope(tenant_id, name.workspace_id), self._clock.now_us()
        waiting = control.queue.lock_of_deployment(tenant_id, name)
        keys = {RunKey(tenant_id, run_id) for run_id in waiting}
        batch = Batch(control.runs, now_us)
        report = StateReport(
            state=RunState.CANCELLED, reason="DEPLOYMENT_DELETED", message=f"{name} is gone"
        )
        cancelled = sum(
            move(
                batch,
                scope,
                run,
                report,
                now_us,
                actor=actor,
                source=Source.CALLER,
                evidence=NEVER_STARTED.json(),
            )
            for run in control.runs.standing(keys, ())[0].values()
        )
        control.queue.remove_entries(tenant_id, waiting)
        if cancelled:
            batch.commit([])
        return cancelled

    def tell(self, tenant_id: str, name: DeploymentName) -> None:
        """Wakes the watches of the workspace after the commit."""
        self._bus.notify(Scope(tenant_id, name.workspace_id))
