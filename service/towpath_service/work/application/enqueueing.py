"""Creates runs and queues them, within the transaction of a caller, a schedule or a backfill.

Invariants, each of which a test names:
  - a run, its origin, its queue entry and its key are written together or not at all;
  - a key belongs to one run: a repeated request is answered with the first one's run;
  - the id of a run belongs to one deployment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from towpath_service.core.errors import ServiceError
from towpath_service.core.names import run_name
from towpath_service.runs.ports.ingest import RunKey
from towpath_service.work.ports.enqueueing import QueueEntry, RequestKey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath_service.runs.application.commit import Batch
    from towpath_service.runs.ports.ingest import IngestTransaction
    from towpath_service.work.domain.requests import RunRequest
    from towpath_service.work.ports.enqueueing import Enqueueing


@dataclass(frozen=True, slots=True, kw_only=True)
class Enqueued:
    """The answer to a request to create a run."""

    run_id: str
    existing: bool
    """Whether an earlier request with the same key or id had created the run."""


def enqueue(
    queue: Enqueueing,
    runs: IngestTransaction,
    batch: Batch,
    requests: Sequence[RunRequest],
    now_us: int,
    *,
    new_ids: bool = False,
) -> list[Enqueued]:
    """Creates and queues runs; the caller commits the batch in the same transaction.

    Args:
        queue: The queue within the transaction.
        runs: The runs within the same transaction.
        batch: Collects the new runs; `batch.commit([])` writes them.
        requests: The runs to create, each with the id that a new run gets.
        now_us: The time, microseconds since the Unix epoch.
        new_ids: Whether the ids were made for these requests, so that no run has one yet.

    Returns:
        One answer for each request, in order.

    Raises:
        ServiceError: RUN_CONFLICT: a run of another deployment has a given id.
    """
    owners = _owners(queue, runs, requests, now_us)
    known = {} if new_ids else _known(queue, runs, requests)
    answers: list[Enqueued] = []
    new: list[RunRequest] = []
    for request in requests:
        run_id = owners.get(_key(request), request.run_id) if request.key else request.run_id
        existing = run_id != request.run_id or run_id in known
        if run_id == request.run_id and existing:
            _check_same(request, known[run_id])
        answers.append(Enqueued(run_id=run_id, existing=existing))
        if not existing:
            known[run_id] = _deployment(request)
            new.append(request)
    queue.add_entries([entry_of(request) for request in new])
    queue.add_origins(new)
    for request in new:
        batch.create(
            request.scope,
            request.run_id,
            request.creation,
            now_us,
            actor=request.actor,
            source=request.source,
        )
    return answers


def entry_of(request: RunRequest) -> QueueEntry:
    """The queue entry of a new run."""
    return QueueEntry(
        scope=request.scope,
        run_id=request.run_id,
        pool_id=request.pool_id,
        queue_id=request.queue_id,
        flow_id=request.flow_id,
        deployment_id=request.deployment_id,
        schedule_id=request.schedule_id,
        priority=request.priority,
        due_us=request.due_us,
        deadline_us=request.start_deadline_us,
        parked_by=request.parked_by,
    )


def _owners(
    queue: Enqueueing, runs: IngestTransaction, requests: Sequence[RunRequest], now_us: int
) -> dict[RequestKey, str]:
    """The run that each key belongs to; the key of a run that was deleted passes to the new one."""
    new = _keys(requests)
    owners = queue.claim_keys(new, now_us)
    taken = {key: run_id for key, run_id in owners.items() if run_id != new[key]}
    wanted = {RunKey(key.scope.tenant_id, run_id) for key, run_id in taken.items()}
    found = runs.standing(wanted, ())[0] if wanted else {}
    gone = [key for key, run_id in taken.items() if (key.scope.tenant_id, run_id) not in found]
    queue.pass_keys({key: new[key] for key in gone}, now_us)
    return owners | {key: new[key] for key in gone}


def _keys(requests: Sequence[RunRequest]) -> dict[RequestKey, str]:
    keys: dict[RequestKey, str] = {}
    for request in requests:
        if request.key:
            keys.setdefault(_key(request), request.run_id)
    return keys


def _key(request: RunRequest) -> RequestKey:
    return RequestKey(request.scope, request.flow_id, request.deployment_id, request.key)


def _known(
    queue: Enqueueing, runs: IngestTransaction, requests: Sequence[RunRequest]
) -> dict[str, str]:
    """The deployments of requested ids that runs have already; empty for a run without one."""
    wanted = {RunKey(request.scope.tenant_id, request.run_id) for request in requests}
    found = runs.standing(wanted, ())[0]
    known: dict[str, str] = {}
    for tenant_id in {key.tenant_id for key in found}:
        of_tenant = [key.run_id for key in found if key.tenant_id == tenant_id]
        deployments = queue.deployments_of(tenant_id, of_tenant)
        known.update({run_id: deployments.get(run_id, "") for run_id in of_tenant})
    return known


def _deployment(request: RunRequest) -> str:
    return f"{request.scope.workspace_id}/{request.flow_id}/{request.deployment_id}"


def _check_same(request: RunRequest, deployment: str) -> None:
    if deployment == _deployment(request):
        return
    name = run_name(request.scope.workspace_id, request.run_id)
    raise ServiceError(
        reason="RUN_CONFLICT",
        message=f"{name} exists and is no run of this deployment: give new runs new ids",
        metadata={"run": request.run_id, "field": "deployment"},
    )
