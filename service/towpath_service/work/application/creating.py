"""Creates runs of deployments for callers: CreateRun."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import uuid_utils

from towpath_service.core.errors import ServiceError, denied, invalid, not_found
from towpath_service.core.names import run_name
from towpath_service.core.tenant_limits import exceeded, limit_of
from towpath_service.runs.application.commit import Batch
from towpath_service.runs.domain.states import TERMINAL_STATES, RunState
from towpath_service.runs.ports.ingest import RunKey
from towpath_service.work.application.cancelling import is_below
from towpath_service.work.application.enqueueing import Enqueued, enqueue
from towpath_service.work.application.job_templates import check_template
from towpath_service.work.domain.deployment_runs import checked_parameters, run_of
from towpath_service.work.domain.json_objects import parse_object
from towpath_service.work.domain.names import DeploymentName, QueueName

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towpath_auth import Caller

    from towpath_service.core.bus import Bus
    from towpath_service.core.clock import Clock
    from towpath_service.core.names import Scope
    from towpath_service.runs.domain.decisions import RunStatus
    from towpath_service.work.domain.deployments import Deployment
    from towpath_service.work.domain.requests import RunRequest
    from towpath_service.work.ports.control import Control, ControlStore
    from towpath_service.work.ports.resources import Lock

MOST_TAGS: Final = 64
MOST_LABELS: Final = 64
MOST_OVERRIDES_BYTES: Final = 64 * 1024
_RETRY_SECONDS: Final = 10.0
_TRIES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRunRequest:
    """A caller's request for a run of a deployment."""

    scope: Scope
    deployment: DeploymentName
    run_id: str = ""
    """Id of the run; empty to have one made."""
    parameters: str = ""
    """JSON object, merged over the deployment's; empty for none."""
    display_name: str = ""
    scheduled_us: int | None = None
    """When it is to start; None for at once."""
    key: str = ""
    tags: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    queue_id: str = ""
    """Empty for the deployment's queue."""
    priority: int = 0
    """0 for the deployment's."""
    job_overrides: str = ""
    parent_run_id: str = ""
    traceparent: str = ""
    tracestate: str = ""
    timeout_us: int | None = None
    """Longest an attempt may take, beside the deployment's; None for the deployment's alone."""


class Creating:
    """Creates runs of deployments."""

    def __init__(self, store: ControlStore, bus: Bus, clock: Clock) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock

    async def create(self, caller: Caller, asked: NewRunRequest) -> Enqueued:
        """Creates a run and queues it.

        Args:
            caller: A run creates runs below itself only.
            asked: The request.

        Raises:
            ServiceError: RESOURCE_NOT_FOUND: there is no such deployment, queue or parent;
                NOT_DISPATCHABLE: the deployment has no work pool; INVALID_REQUEST;
                PAYLOAD_TOO_LARGE; RUN_CONFLICT; TRANSITION_NOT_ALLOWED: the parent has ended, or is
                asked to; QUOTA_EXCEEDED.
        """
        for _ in range(_TRIES):
            revision, parameters = await self._store.read(
                {caller.tenant_id}, lambda control: _checked(control, asked)
            )
            made = await self._store.write(
                {caller.tenant_id},
                lambda control: self._create(control, caller, asked, revision, parameters),  # noqa: B023 - awaited here
            )
            if made is not None:
                self._bus.notify(asked.scope)
                return made
        raise ServiceError(
            reason="OVERLOADED",
            message=f"{asked.deployment} changes all the time: try again",
            retry_after_seconds=1.0,
        )

    def _create(
        self,
        control: Control,
        caller: Caller,
        asked: NewRunRequest,
        revision: int,
        parameters: Mapping[str, Any],
    ) -> Enqueued | None:
        """Creates the run; None when the deployment has changed meanwhile."""
        deployment = _deployment(control, asked, lock="keep")
        if deployment.revision != revision:
            return None
        now_us = self._clock.now_us()
        parent = _parent(control, caller, asked)
        request = _request(asked, deployment, parameters, parent, caller.principal, now_us)
        most = limit_of(caller, "queued_runs")
        has_room = bool(control.queue.room(caller.tenant_id, most, 1))
        batch = Batch(control.runs, now_us)
        [made] = enqueue(control.queue, control.runs, batch, [request], now_us)
        if not made.existing:
            if parent is not None:
                _check_open(asked.scope, parent)
            if not has_room:
                raise exceeded("queued_runs", most, _RETRY_SECONDS)
        batch.commit([])
        return made


def _checked(control: Control, asked: NewRunRequest) -> tuple[int, Mapping[str, Any]]:
    """The deployment's revision and the run's arguments, checked against its schema."""
    deployment = _deployment(control, asked, lock="")
    parse_object(asked.job_overrides, "job_overrides_json", most_bytes=MOST_OVERRIDES_BYTES)
    name = deployment.pool
    pool = name and control.resources(asked.scope.tenant_id).pools.get(name)
    if pool is not None:
        check_template(pool.settings.kind, asked.job_overrides, "job_overrides_json")
    return deployment.revision, checked_parameters(deployment.content, asked.parameters)


def _deployment(control: Control, asked: NewRunRequest, *, lock: Lock) -> Deployment:
    resources = control.resources(asked.scope.tenant_id)
    deployment = resources.deployments.get(asked.deployment, lock=lock)
    if deployment is None:
        raise not_found(str(asked.deployment))
    pool = deployment.pool
    if pool is None:
        raise ServiceError(
            reason="NOT_DISPATCHABLE",
            message=f"{asked.deployment} has no work pool: set one with"
            " `towpath deploy --pool POOL`, or run the flow from a script",
            metadata={"resource": str(asked.deployment)},
        )
    if asked.queue_id:
        queue = QueueName(*pool, asked.queue_id)
        if resources.queues.get(queue, lock=lock) is None:
            raise not_found(str(queue))
    return deployment


def _parent(control: Control, caller: Caller, asked: NewRunRequest) -> RunStatus | None:
    """The run that the new one is to be below; None for a root run."""
    if caller.run is not None and not asked.parent_run_id:
        raise denied("run.create", "roots: a run creates runs below itself, so give parent_run_id")
    if not asked.parent_run_id:
        return None
    key = RunKey(asked.scope.tenant_id, asked.parent_run_id)
    parent = control.runs.standing({key}, ())[0].get(key)
    name = run_name(asked.scope.workspace_id, asked.parent_run_id)
    if parent is None or parent.workspace_id != asked.scope.workspace_id:
        raise not_found(name)
    if caller.run is not None:
        if not is_below(control, asked.scope, asked.parent_run_id, caller.run.run_id):
            raise not_found(name)
        check_current(control, asked.scope, caller)
    return parent


def check_current(control: Control, scope: Scope, caller: Caller) -> None:
    """Refuses a calling run whose attempt or lease is over.

    Raises:
        ServiceError: LEASE_LOST.
    """
    if caller.run is None:
        return
    key = RunKey(scope.tenant_id, caller.run.run_id)
    own = control.runs.standing({key}, ())[0].get(key)
    if own is None or own.attempt > caller.run.attempt or own.fence > caller.run.fence:
        raise ServiceError(
            reason="LEASE_LOST",
            message=f"the lease of run {caller.run.run_id} has passed to another worker: stop the"
            " work",
            metadata={"run": caller.run.run_id},
        )


def _check_open(scope: Scope, parent: RunStatus) -> None:
    if parent.state in TERMINAL_STATES or parent.state is RunState.CANCELLING:
        raise ServiceError(
            reason="TRANSITION_NOT_ALLOWED",
            message=f"{run_name(scope.workspace_id, parent.run_id)} is {parent.state.name}: no run"
            " can be created below it",
            metadata={
                "run": parent.run_id,
                "from_state": parent.state.name,
                "to_state": RunState.SCHEDULED.name,
                "revision": str(parent.revision),
            },
        )


def _request(
    asked: NewRunRequest,
    deployment: Deployment,
    parameters: Mapping[str, Any],
    parent: RunStatus | None,
    actor: str,
    now_us: int,
) -> RunRequest:
    run = run_of(
        deployment,
        asked.scope,
        run_id=asked.run_id or str(uuid_utils.uuid7()),
        actor=actor,
        due_us=now_us if asked.scheduled_us is None else asked.scheduled_us,
        parameters=parameters,
    )
    tags = tuple(dict.fromkeys((*run.tags, *asked.tags)))
    labels = {**run.labels, **asked.labels}
    if len(tags) > MOST_TAGS:
        raise invalid("tags", f"with the deployment's, at most {MOST_TAGS}")
    if len(labels) > MOST_LABELS:
        raise invalid("labels", f"with the deployment's, at most {MOST_LABELS}")
    timeouts = [each for each in (run.timeout_us, asked.timeout_us) if each is not None]
    return replace(
        run,
        queue_id=asked.queue_id or run.queue_id,
        priority=asked.priority or run.priority,
        key=asked.key,
        display_name=asked.display_name,
        tags=tags,
        labels=labels,
        job_overrides=asked.job_overrides,
        parent_run_id=None if parent is None else parent.run_id,
        root_run_id="" if parent is None else parent.root_run_id or parent.run_id,
        traceparent=asked.traceparent,
        tracestate=asked.tracestate,
        timeout_us=min(timeouts, default=None),
    )
