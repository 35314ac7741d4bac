"""Cancels runs, with the flow runs below them, over processes and pools.

Invariants, each of which a test names:
  - a run that waits is CANCELLED in the transaction that takes it out of the queue;
  - a run that may have a process is CANCELLING, with a directive in the same transaction;
  - a repeated request changes nothing; a run that has ended is left as it is;
  - what is below a run is asked to end too, over processes and pools, 500 runs a transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from towpath_service.core.errors import ServiceError, not_found
from towpath_service.core.names import run_name
from towpath_service.runs.application.commit import Batch
from towpath_service.runs.domain.states import TERMINAL_STATES, RunState
from towpath_service.runs.ports.ingest import RunKey
from towpath_service.work.application.moving import move
from towpath_service.work.domain.stopping import cancellation_of
from towpath_service.work.ports.control import CANCEL, DirectiveRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath_service.core.bus import Bus
    from towpath_service.core.clock import Clock
    from towpath_service.core.names import Scope
    from towpath_service.runs.domain.decisions import RunStatus
    from towpath_service.work.ports.control import Control, ControlStore

LIMIT: Final = 500
"""Most runs that one transaction changes."""
MOST_LEVELS: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequest:
    """A request to cancel a run."""

    scope: Scope
    run_id: str
    actor: str
    """Principal that asks."""
    message: str = ""
    grace_us: int | None = None
    """Time to end by itself before the process is stopped; None for the pool's."""
    within: str = ""
    """The run that the caller is: it may cancel itself and what is below it; empty for any run."""


class Cancelling:
    """Cancels runs."""

    def __init__(self, store: ControlStore, bus: Bus, clock: Clock) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock

    async def cancel(self, request: CancelRequest) -> int:
        """Asks a run to end, and the flow runs below it.

        Returns:
            The number of runs below it that were asked to end.

        Raises:
            ServiceError: RESOURCE_NOT_FOUND, or TRANSITION_NOT_ALLOWED: the run has ended.
        """

        def first(control: Control) -> None:
            self.within(control, request, [request.run_id])

        tenants = {request.scope.tenant_id}
        if request.within:
            await self._store.write(tenants, lambda control: _check_within(control, request))
        await self._store.write(tenants, first)
        return await self.cancel_below(request)

    async def cancel_below(self, request: CancelRequest) -> int:
        """Asks the flow runs below a run to end, which was asked itself; returns how many."""
        below = 0

        def next_below(control: Control) -> int:
            found = control.unfinished_below(request.scope, request.run_id, LIMIT)
            self.within(control, request, found)
            return len(found)

        while some := await self._store.write({request.scope.tenant_id}, next_below):
            below += some
        self._bus.notify(request.scope)
        return below

    def within(self, control: Control, request: CancelRequest, run_ids: Sequence[str]) -> None:
        """Asks runs to end, within a transaction.

        Args:
            control: The transaction.
            request: The request; its run, if it is the only one, must not have ended.
            run_ids: The runs; those that have ended are left as they are.

        Raises:
            ServiceError: RESOURCE_NOT_FOUND, or TRANSITION_NOT_ALLOWED.
        """
        scope, now_us = request.scope, self._clock.now_us()
        control.queue.lock_entries(scope.tenant_id, run_ids)
        keys = {RunKey(scope.tenant_id, run_id) for run_id in run_ids}
        runs = [
            run
            for run in control.runs.standing(keys, ())[0].values()
            if run.workspace_id == scope.workspace_id
        ]
        if run_ids == [request.run_id]:
            _check_cancellable(request, runs)
        leases = control.leases(scope.tenant_id, [run.run_id for run in runs])
        batch = Batch(control.runs, now_us)
        directives: list[DirectiveRow] = []
        waiting: list[str] = []
        for run in runs:
            lease = leases.get(run.run_id)
            step = cancellation_of(run, leased=lease is not None)
            if step is None:
                continue
            report = step.report(request.message)
            move(
                batch,
                scope,
                run,
                report,
                now_us,
                actor=request.actor,
                inferred=step.inferred,
                evidence=None if step.evidence is None else step.evidence.json(),
            )
            if step.directs:
                grace_us = request.grace_us
                if lease is not None and grace_us is None:
                    grace_us = lease.grace_us
                directives.append(
                    DirectiveRow(
                        scope=scope,
                        run_id=run.run_id,
                        kind=CANCEL,
                        revision=run.revision,
                        message=request.message,
                        grace_us=None if lease is None else grace_us,
                        actor=request.actor,
                        created_us=now_us,
                        producer_id=run.producer_id,
                        pool_id="" if lease is None else lease.pool_id,
                    )
                )
            else:
                waiting.append(run.run_id)
        control.queue.remove_entries(scope.tenant_id, waiting)
        control.put_directives(directives)
        batch.commit([])


def _check_cancellable(request: CancelRequest, runs: Sequence[RunStatus]) -> None:
    name = run_name(request.scope.workspace_id, request.run_id)
    if not runs:
        raise not_found(name)
    [run] = runs
    if run.state in TERMINAL_STATES:
        raise ServiceError(
            reason="TRANSITION_NOT_ALLOWED",
            message=f"{name} is {run.state.name}: it has ended already",
            metadata={
                "run": run.run_id,
                "from_state": run.state.name,
                "to_state": RunState.CANCELLED.name,
                "revision": str(run.revision),
            },
        )


def _check_within(control: Control, request: CancelRequest) -> None:
    """Refuses a run that isn't below the calling run, as if there were none."""
    if not is_below(control, request.scope, request.run_id, request.within):
        raise not_found(run_name(request.scope.workspace_id, request.run_id))


def is_below(control: Control, scope: Scope, run_id: str, top: str) -> bool:
    """Whether a run is another one, or below it, in the same workspace."""
    asked: str | None = run_id
    for _ in range(MOST_LEVELS):
        if asked is None or asked == top:
            break
        key = RunKey(scope.tenant_id, asked)
        run = control.runs.standing({key}, ())[0].get(key)
        known = run is not None and run.workspace_id == scope.workspace_id
        asked = run.parent_run_id if known and run is not None else None
    return asked == top
