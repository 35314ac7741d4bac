"""Writes the decisions on due slots, with their runs, in one transaction.

Invariants, each of which a test names:
  - a slot is decided once: under the lock of its schedule, as it was seen, and by its own key;
  - the slot, its run and the schedule's next due time are written together or not at all;
  - a run that waits for others is written under the lock of those: their end finds it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from towpath_service.core.tenant_limits import DEFAULTS
from towpath_service.runs.application.commit import Batch
from towpath_service.runs.domain.states import TERMINAL_STATES
from towpath_service.runs.ports.ingest import RunKey
from towpath_service.work.application.cancelling import CancelRequest
from towpath_service.work.application.enqueueing import enqueue
from towpath_service.work.domain.slot_policy import Overlap
from towpath_service.work.ports.scheduling import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath_service.work.application.cancelling import Cancelling
    from towpath_service.work.application.slot_plans import SlotPlan
    from towpath_service.work.ports.scheduling import ScheduleKey, Scheduling, UnfinishedRun


@dataclass(slots=True)
class Decided:
    """The plans that were carried out."""

    plans: list[SlotPlan] = field(default_factory=list["SlotPlan"])
    cancelled: list[CancelRequest] = field(default_factory=list[CancelRequest])
    """Runs that were asked to end; those below them are still to be asked."""


def write_plans(
    scheduling: Scheduling, plans: Sequence[SlotPlan], cancelling: Cancelling, now_us: int
) -> Decided:
    """Carries out plans within one transaction.

    Args:
        scheduling: The transaction.
        plans: The plans; those whose schedule, deployment or unfinished runs have changed are left.
        cancelling: Cancels earlier runs.
        now_us: The present, microseconds since the Unix epoch.
    """
    locked = scheduling.lock([(plan.seen.tenant_id, plan.seen.schedule) for plan in plans])
    held = [plan for plan in plans if plan.seen.key in locked]
    earlier = {
        plan.seen.key: scheduling.unfinished(plan.seen.key)
        for plan in held
        if plan.seen.schedule.content.overlap is not Overlap.ALLOW
    }
    held = [
        plan for plan in held if counted(earlier.get(plan.seen.key, ())) == plan.seen.unfinished
    ]
    for plan in held:
        if plan.cancels:
            run_ids = [run.run_id for run in earlier[plan.seen.key]]
            scheduling.control.queue.lock_entries(plan.seen.tenant_id, run_ids)
    revisions = scheduling.keep_deployments({plan.seen.deployment_key for plan in held})
    held = [
        plan
        for plan in held
        if revisions.get(plan.seen.deployment_key) == plan.seen.deployment.revision
    ]
    held = [plan for plan in held if not plan.waits or _hold(scheduling, plan, earlier)]
    decided = Decided(_within_quotas(scheduling, held))
    _create(scheduling, decided.plans, now_us)
    for plan in decided.plans:
        if plan.cancels:
            decided.cancelled += _cancel(scheduling, plan, earlier[plan.seen.key], cancelling)
    scheduling.release([plan.seen.key for plan in decided.plans if plan.waits])
    return decided


def _hold(
    scheduling: Scheduling, plan: SlotPlan, earlier: dict[ScheduleKey, list[UnfinishedRun]]
) -> bool:
    """Locks the runs that others are to wait for; False if one of them has ended meanwhile."""
    keys = {RunKey(plan.seen.tenant_id, run.run_id) for run in earlier[plan.seen.key]}
    runs = scheduling.control.runs.standing(keys, ())[0]
    return all(key in runs and runs[key].state not in TERMINAL_STATES for key in keys)


def _within_quotas(scheduling: Scheduling, plans: Sequence[SlotPlan]) -> list[SlotPlan]:
    """The plans with the runs that their tenants may have queued."""
    wanted: Counter[str] = Counter()
    for plan in plans:
        wanted[plan.seen.tenant_id] += len(plan.requests)
    tenants = sorted(tenant_id for tenant_id, count in wanted.items() if count)
    quotas = scheduling.queued_most(tenants)
    room: dict[str, int] = {}
    for tenant_id in tenants:
        most = quotas.get(tenant_id) or DEFAULTS["queued_runs"]
        room[tenant_id] = scheduling.control.queue.room(tenant_id, most, wanted[tenant_id])
    limited: list[SlotPlan] = []
    for plan in plans:
        tenant_id = plan.seen.tenant_id
        left = room.get(tenant_id, 0)
        limited.append(plan.limited_to(left, "the tenant has as many queued runs as it may have"))
        room[tenant_id] = left - len(limited[-1].requests)
    return limited


def _create(scheduling: Scheduling, plans: Sequence[SlotPlan], now_us: int) -> None:
    requests = [request for plan in plans for request in plan.requests]
    control = scheduling.control
    batch = Batch(control.runs, now_us)
    enqueue(control.queue, control.runs, batch, requests, now_us, new_ids=True)
    scheduling.add_slots([(plan.seen.key, slot) for plan in plans for slot in plan.slots])
    scheduling.move([(plan.seen.tenant_id, plan.schedule) for plan in plans])
    if requests:
        # Last, as it locks the counters of workspaces, which every other commit waits for.
        batch.commit([])


def _cancel(
    scheduling: Scheduling,
    plan: SlotPlan,
    earlier: Sequence[UnfinishedRun],
    cancelling: Cancelling,
) -> list[CancelRequest]:
    """Asks all runs of a schedule to end but for the last one."""
    if not plan.requests:
        return []
    run_ids = [run.run_id for run in earlier]
    run_ids += [request.run_id for request in plan.requests[:-1]]
    requests = [
        CancelRequest(
            scope=plan.seen.key.scope,
            run_id=run_id,
            actor=plan.seen.deployment.owner,
            message="the next run of its schedule is due",
        )
        for run_id in run_ids
    ]
    if requests:
        together = CancelRequest(
            scope=plan.seen.key.scope,
            run_id="",
            actor=requests[0].actor,
            message=requests[0].message,
        )
        cancelling.within(scheduling.control, together, run_ids)
    return requests
