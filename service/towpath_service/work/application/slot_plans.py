"""Works out the runs of a schedule's due slots; nothing here reads or writes.

Due times take long to compute: callers run these functions on a thread.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import uuid_utils

from towpath_service.core.errors import ServiceError
from towpath_service.runs.domain.states import Source
from towpath_service.work.domain.deployment_runs import checked_parameters, run_of
from towpath_service.work.domain.requests import Trigger
from towpath_service.work.domain.schedules import Slot
from towpath_service.work.domain.slot_policy import SlotOutcome, decide, next_slot
from towpath_service.work.domain.zones import zone_data_version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from towpath_service.work.domain.requests import RunRequest
    from towpath_service.work.domain.schedules import Schedule
    from towpath_service.work.domain.slot_policy import Decision
    from towpath_service.work.ports.scheduling import DueSchedule

NO_POOL: Final = "the deployment has no work pool: set one with `towpath deploy --pool POOL`"


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotPlan:
    """The decisions on the due slots of a schedule."""

    seen: DueSchedule
    schedule: Schedule
    """As it is to be."""
    slots: Sequence[Slot]
    requests: Sequence[RunRequest]
    """The runs, in the order of their slots."""
    cancels: bool = False
    """Whether all earlier runs of the schedule are cancelled."""

    @property
    def waits(self) -> bool:
        """Whether any of the runs waits for earlier ones of the schedule."""
        return any(request.parked_by is not None for request in self.requests)

    def limited_to(self, most: int, reason: str) -> SlotPlan:
        """The plan with the first runs only; the slots of the others are refused.

        Args:
            most: Most runs.
            reason: Why the others are refused.
        """
        if len(self.requests) <= most:
            return self
        gone = {request.run_id for request in self.requests[most:]}
        slots = [refused(slot, reason) if slot.run_id in gone else slot for slot in self.slots]
        return replace(self, slots=slots, requests=self.requests[:most])


def refused(slot: Slot, reason: str) -> Slot:
    """A slot that doesn't run after all."""
    return replace(slot, outcome=SlotOutcome.REFUSED, run_id=None, message=reason)


def plan_slots(seen: DueSchedule, now_us: int) -> SlotPlan:
    """Decides the due slots of a schedule, and makes the runs.

    Args:
        seen: The schedule.
        now_us: The present, microseconds since the Unix epoch.
    """
    paused = seen.deployment.content.paused
    plan = decide(seen.schedule.state(paused=paused), seen.unfinished, now_us)
    running = [item for item in plan.decisions if item.outcome is SlotOutcome.RUN]
    parameters: Mapping[str, Any] = {}
    refusal = ""
    if running:
        parameters, refusal = _parameters(seen)
    requests = {} if refusal else {item.slot_us: _run(seen, item, parameters) for item in running}
    slots = [_slot(item, requests.get(item.slot_us), refusal, now_us) for item in plan.decisions]
    idle = paused or seen.schedule.content.paused
    return SlotPlan(
        seen=seen,
        schedule=replace(
            seen.schedule,
            decided_us=plan.decided_us,
            next_due_us=None if idle else plan.next_due_us,
            wake_us=None if idle else plan.wake_us,
            zone_version=zone_data_version(),
        ),
        slots=slots,
        requests=list(requests.values()),
        cancels=not refusal and any(item.cancels for item in running),
    )


def with_zone_data(schedule: Schedule) -> Schedule:
    """A schedule whose next due time is computed with the zone data of this process.

    The due time of a rule that is wrong by now stays, and is refused when it comes.
    """
    known = replace(schedule, zone_version=zone_data_version())
    try:
        plan = next_slot(schedule.state())
    except ServiceError:
        return known
    return replace(known, next_due_us=plan.next_due_us, wake_us=plan.wake_us)


def _parameters(seen: DueSchedule) -> tuple[Mapping[str, Any], str]:
    """The arguments of the schedule's runs, or the reason why there can be none."""
    if seen.deployment.pool is None:
        return {}, NO_POOL
    try:
        return checked_parameters(seen.deployment.content, seen.schedule.content.parameters), ""
    except ServiceError as error:
        return {}, error.message


def _run(seen: DueSchedule, decision: Decision, parameters: Mapping[str, Any]) -> RunRequest:
    return run_of(
        seen.deployment,
        seen.key.scope,
        run_id=str(uuid_utils.uuid7()),
        actor=seen.deployment.owner,
        due_us=decision.start_us,
        parameters=parameters,
        trigger=Trigger.SCHEDULE,
        source=Source.SYSTEM,
        schedule_id=seen.schedule.name.schedule_id,
        slot_us=decision.slot_us,
        deadline_us=decision.deadline_us,
        parked_by=seen.key.limit.name if decision.waits else None,
    )


def _slot(decision: Decision, run: RunRequest | None, refusal: str, now_us: int) -> Slot:
    slot = Slot(
        slot_us=decision.slot_us,
        outcome=decision.outcome,
        run_id=None if run is None else run.run_id,
        count=decision.count,
        message=decision.message,
        decided_us=now_us,
    )
    return refused(slot, refusal) if refusal and decision.outcome is SlotOutcome.RUN else slot
