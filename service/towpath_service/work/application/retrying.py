"""Begins further attempts of runs that have ended without success, as callers ask for.

Invariants, each of which a test names:
  - of two requests about the same attempt one takes effect; a repeat that names the attempt changes
    nothing;
  - a run that is retried waits once: in the queue, or for the caller that executes it;
  - the next attempt is made from what the deployment is now, in the transaction that queues it;
  - reports of earlier attempts take no effect any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from towpath_service.core.errors import ServiceError, not_found
from towpath_service.core.names import run_name
from towpath_service.core.tenant_limits import exceeded
from towpath_service.runs.application.commit import Batch
from towpath_service.runs.domain.reports import StateReport
from towpath_service.runs.domain.states import RunKind, RunState, find_row
from towpath_service.runs.ports.ingest import RunKey
from towpath_service.work.application.cancelling import is_below
from towpath_service.work.application.moving import move
from towpath_service.work.domain.names import DeploymentName
from towpath_service.work.ports.enqueueing import RenewedOrigin

if TYPE_CHECKING:
    from towpath_service.core.bus import Bus
    from towpath_service.core.clock import Clock
    from towpath_service.core.names import Scope
    from towpath_service.runs.domain.decisions import RunStatus
    from towpath_service.work.domain.deployments import Deployment
    from towpath_service.work.ports.control import Control, ControlStore

RETRIED = "RETRY_REQUESTED"
"""Reason of a run that waits for the attempt that a caller asked for."""
_ROOM_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRequest:
    """A request for another attempt of a run."""

    scope: Scope
    run_id: str
    actor: str
    """Principal that asks."""
    most_queued: int
    """Most runs that the tenant may queue."""
    message: str = ""
    from_tasks: tuple[str, ...] = ()
    """Tasks that are to run again even if their results are kept."""
    attempt: int = 0
    """The attempt that is to be followed; 0 for the last one."""
    in_place: bool = False
    """Whether the caller executes the attempt itself."""
    within: str = ""
    """The run that the caller is: it may ask for itself and what is below; empty for any run."""


class Retrying:
    """Begins further attempts of runs."""

    def __init__(self, store: ControlStore, bus: Bus, clock: Clock) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock

    async def retry(self, request: RetryRequest) -> None:
        """Begins another attempt of a run that has ended; a repeat changes nothing.

        Raises:
            ServiceError: RESOURCE_NOT_FOUND; TRANSITION_NOT_ALLOWED: it has not ended, or has
                completed; NOT_DISPATCHABLE: no deployment has made it, or its deployment or pool is
                gone; QUOTA_EXCEEDED.
        """
        await self._store.write(
            {request.scope.tenant_id}, lambda control: self._retry(control, request)
        )
        self._bus.notify(request.scope)

    def _retry(self, control: Control, request: RetryRequest) -> None:
        scope = request.scope
        run_id, name = request.run_id, run_name(scope.workspace_id, request.run_id)
        if request.within and not is_below(control, scope, run_id, request.within):
            raise not_found(name)
        control.queue.lock_entries(scope.tenant_id, [run_id])
        deployed = control.queue.deployments_of(scope.tenant_id, [run_id]).get(run_id, "")
        # Limited rows are locked before runs; whether the run is the workspace's, its lock shows.
        of_here = deployed.startswith(f"{scope.workspace_id}/")
        deployment = _deployment(control, scope, deployed) if of_here else None
        key = RunKey(scope.tenant_id, run_id)
        run = control.runs.standing({key}, ())[0].get(key)
        if run is None or run.workspace_id != scope.workspace_id:
            raise not_found(name)
        if 0 < request.attempt == run.attempt - 1:
            return
        _check_ended(run, request.attempt)
        if request.in_place:
            _check_of_script(run, deployed)
        else:
            self._renew(control, request, run, deployment, deployed)
        self._begin(control, request, run)

    def _renew(
        self,
        control: Control,
        request: RetryRequest,
        run: RunStatus,
        deployment: Deployment | None,
        deployed: str,
    ) -> None:
        """Has the attempt made from the deployment as it is now."""
        if not deployed:
            raise _of_no_deployment(run)
        if deployment is None:
            raise _gone(run, "its deployment was deleted: deploy the flow, and run it anew")
        pool = deployment.pool
        resources = control.resources(request.scope.tenant_id)
        if pool is None or resources.pools.get(pool) is None:
            raise _gone(run, f"{deployment.name} has no work pool: set one by `towpath deploy`")
        if not control.queue.room(request.scope.tenant_id, request.most_queued, 1):
            raise exceeded("queued_runs", request.most_queued, _ROOM_SECONDS)
        control.queue.renew_origin(
            RenewedOrigin(
                run=RunKey(request.scope.tenant_id, run.run_id),
                deployment_revision=deployment.revision,
                pool_id=deployment.content.pool_id,
                queue_id=deployment.content.queue_id,
                attempt=run.attempt + 1,
                from_tasks=request.from_tasks,
            )
        )

    def _begin(self, control: Control, request: RetryRequest, run: RunStatus) -> None:
        now_us = self._clock.now_us()
        # The process of the earlier attempt has nothing more to say: nobody is to wait for it.
        run.producer_id = None
        by = f"retry requested by {request.actor}" if request.actor else "retry requested"
        report = StateReport(
            state=RunState.SCHEDULED,
            reason=RETRIED,
            message=f"{by}: {request.message}" if request.message else by,
            next_attempt_us=now_us,
        )
        batch = Batch(control.runs, now_us)
        moved = move(batch, request.scope, run, report, now_us, actor=request.actor)
        assert moved, run
        if not request.in_place:
            key = RunKey(request.scope.tenant_id, run.run_id)
            control.queue_again(key, now_us, started=True)
        batch.commit([])


def _deployment(control: Control, scope: Scope, deployed: str) -> Deployment | None:
    """A deployment by "workspace/flow/deployment", kept as it is; None if it is gone."""
    workspace_id, flow_id, deployment_id = deployed.split("/")
    name = DeploymentName(workspace_id, flow_id, deployment_id)
    return control.resources(scope.tenant_id).deployments.get(name, lock="keep")


def _check_ended(run: RunStatus, attempt: int) -> None:
    if attempt not in {0, run.attempt}:
        raise _not_allowed(run, f"attempt {attempt} isn't its last one, {run.attempt}")
    if find_row(run.state, RunState.SCHEDULED) is None or run.ended_us is None:
        ended = run.ended_us is not None
        raise _not_allowed(
            run, "run the flow anew" if ended else "it has not ended: cancel it first, or wait"
        )


def _check_of_script(run: RunStatus, deployed: str) -> None:
    if deployed:
        raise _gone(run, "it is of a deployment: its worker has to start it")
    if run.kind is not RunKind.FLOW or run.parent_run_id is not None:
        raise _gone(run, "it is within another run: retry that one")


def _of_no_deployment(run: RunStatus) -> ServiceError:
    if run.kind is not RunKind.FLOW or run.parent_run_id is not None:
        return _gone(run, "it is within another run: retry that one")
    return _gone(
        run,
        "it is of no deployment, so no worker can start it:"
        f" `towpath run retry {run.run_id} --here FILE:FLOW` executes it",
    )


def _gone(run: RunStatus, why: str) -> ServiceError:
    return ServiceError(
        reason="NOT_DISPATCHABLE",
        message=f"run {run.run_id} can't be retried: {why}",
        metadata={"run": run.run_id},
    )


def _not_allowed(run: RunStatus, why: str) -> ServiceError:
    return ServiceError(
        reason="TRANSITION_NOT_ALLOWED",
        message=f"run {run.run_id} is {run.state.name} and can't be retried: {why}",
        metadata={
            "run": run.run_id,
            "from_state": run.state.name,
            "to_state": RunState.SCHEDULED.name,
            "revision": str(run.revision),
        },
    )
