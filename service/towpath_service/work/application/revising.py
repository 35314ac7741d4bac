"""Works out and writes changes of a deployment and its schedules.

A change is worked out from what was read, outside any transaction, since due times take long to
compute. It is written only if nothing has changed meanwhile; else it is worked out again.

Locks come in the order of all of work: schedules, queue entries, deployment, pool, queue.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from towpath_service.core.errors import busy, not_found
from towpath_service.identity.domain.principals import exists
from towpath_service.work.application.job_templates import check_template
from towpath_service.work.application.pools import add_pool, add_queue
from towpath_service.work.domain.deployments import (
    MOST_DEPLOYMENTS,
    Deployment,
    check_content,
    with_queue,
)
from towpath_service.work.domain.names import QueueName, ScheduleName
from towpath_service.work.domain.parameters import check_parameters, check_schema
from towpath_service.work.domain.pools import (
    PROCESS,
    SERVED,
    Pool,
    PoolSettings,
    Queue,
    QueueSettings,
)
from towpath_service.work.domain.refusals import no_pool, too_many
from towpath_service.work.domain.schedules import (
    MOST_OF_DEPLOYMENT,
    MOST_SCHEDULES,
    Slot,
    check_schedule,
    new_schedule,
    revised,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from towpath_service.work.domain.deployments import DeploymentContent
    from towpath_service.work.domain.names import DeploymentName
    from towpath_service.work.domain.schedules import Schedule, ScheduleContent
    from towpath_service.work.ports.resources import Resources, ResourceStore

TRIES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleChange:
    """A schedule that is given to a change."""

    schedule_id: str
    content: ScheduleContent
    fields: Collection[str]
    """The parts of the content that a schedule that is there takes on; the others stay."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A deployment and its schedules, as they were read."""

    deployment: Deployment | None
    """None when there is none."""
    schedules: Sequence[Schedule]

    @property
    def by_id(self) -> Mapping[str, Schedule]:
        """The schedules by id."""
        return {schedule.name.schedule_id: schedule for schedule in self.schedules}


class SlotsOf(NamedTuple):
    """Decisions on due times of a schedule."""

    name: ScheduleName
    slots: list[Slot]


@dataclass(slots=True, kw_only=True)
class Plan:
    """A change of a deployment and its schedules, worked out."""

    deployment: Deployment
    """As it is to be."""
    added: list[Schedule] = field(default_factory=list["Schedule"])
    changed: list[Schedule] = field(default_factory=list["Schedule"])
    removed: list[ScheduleName] = field(default_factory=list["ScheduleName"])
    slots: list[SlotsOf] = field(default_factory=list["SlotsOf"])
    """Due times at which a schedule was paused."""


async def revise(
    store: ResourceStore, tenant_id: str, name: DeploymentName, work_out: Callable[[Seen], Plan]
) -> tuple[Deployment, Sequence[Schedule]]:
    """Changes a deployment and its schedules in one transaction.

    Args:
        store: The store.
        tenant_id: The tenant.
        name: The deployment.
        work_out: Works out the change from what is there, on a thread.

    Returns:
        The deployment and its schedules as they are now.

    Raises:
        ServiceError: Those of `work_out`; RESOURCE_NOT_FOUND: its pool or queue; QUOTA_EXCEEDED;
            OVERLOADED: other changes kept coming.
    """
    for _ in range(TRIES):
        seen = await store.read(tenant_id, lambda resources: read(resources, name))
        plan = await asyncio.to_thread(work_out, seen)
        written = await store.write(tenant_id, lambda resources: _write(resources, seen, plan))  # noqa: B023 - awaited here
        if written is not None:
            return plan.deployment, written
    raise busy()


def read(resources: Resources, name: DeploymentName) -> Seen:
    """A deployment with its schedules."""
    return Seen(resources.deployments.get(name), resources.schedules.of_deployment(name))


def found(seen: Seen, name: DeploymentName) -> Deployment:
    """The deployment that was read; raises RESOURCE_NOT_FOUND."""
    if seen.deployment is None:
        raise not_found(str(name))
    return seen.deployment


def new_deployment(
    name: DeploymentName, content: DeploymentContent, *, actor: str, now_us: int
) -> Deployment:
    """A deployment that is to be made."""
    return Deployment(
        name=name, content=with_queue(content), owner=actor, created_us=now_us, updated_us=now_us
    )


def next_revision(
    was: Deployment, content: DeploymentContent, *, actor: str, now_us: int
) -> Deployment:
    """The next revision of a deployment; the same one if the content doesn't differ."""
    content = with_queue(content)
    if content == was.content:
        return was
    return replace(was, content=content, revision=was.revision + 1, owner=actor, updated_us=now_us)


def plan_schedules(
    seen: Seen, plan: Plan, given: Sequence[ScheduleChange] | None, now_us: int
) -> None:
    """Works out the schedules of a deployment.

    Args:
        seen: What was read.
        plan: The plan, with the deployment as it is to be.
        given: The schedules that it is to have; None to leave them as they are.
        now_us: The present.

    Raises:
        ServiceError: INVALID_REQUEST, with the field; PAYLOAD_TOO_LARGE.
    """
    there = seen.by_id
    asked = {} if given is None else {change.schedule_id: change for change in given}
    for schedule_id, was in there.items():
        if given is not None and schedule_id not in asked:
            plan.removed.append(was.name)
            continue
        change = asked.get(schedule_id)
        plan_revision(seen, plan, was, _merged(was, change), now_us)
    for change in given or ():
        if change.schedule_id not in there:
            plan_new(plan, change, now_us)
    check_arguments(plan.deployment, seen, plan)


def plan_new(plan: Plan, change: ScheduleChange, now_us: int) -> None:
    """Adds a schedule to a plan; raises INVALID_REQUEST."""
    check_schedule(change.content, now_us)
    name = ScheduleName(*plan.deployment.name, change.schedule_id)
    paused = plan.deployment.content.paused
    plan.added.append(new_schedule(name, change.content, deployment_paused=paused, now_us=now_us))


def plan_revision(
    seen: Seen, plan: Plan, was: Schedule, content: ScheduleContent, now_us: int
) -> None:
    """Adds the change of a schedule to a plan, if there is any; raises INVALID_REQUEST."""
    if content != was.content:
        check_schedule(content, now_us)
    now, decisions = revised(
        was,
        content,
        paused_before=seen.deployment is not None and seen.deployment.content.paused,
        paused_now=plan.deployment.content.paused,
        now_us=now_us,
    )
    if now != was:
        plan.changed.append(now)
    if decisions:
        slots = [
            Slot(
                slot_us=decision.slot_us,
                outcome=decision.outcome,
                count=decision.count,
                message=decision.message,
                decided_us=now_us,
            )
            for decision in decisions
        ]
        plan.slots.append(SlotsOf(was.name, slots))


def check_arguments(deployment: Deployment, seen: Seen, plan: Plan) -> None:
    """Checks the arguments of a deployment and its schedules, where any of them has changed.

    Raises:
        ServiceError: INVALID_REQUEST, with the path of each misfit; PAYLOAD_TOO_LARGE.
    """
    content = deployment.content
    schema = content.enforced_schema
    of_all = seen.deployment is None or seen.deployment.content != content
    if of_all:
        check_content(content)
        if content.parameter_schema:
            check_schema(content.schema, "deployment.parameter_schema_json")
        defaults = content.merged_parameters()
        if schema is not None:
            # Calls and schedules may give what is required.
            partial = {keyword: value for keyword, value in schema.items() if keyword != "required"}
            check_parameters(partial, defaults, "deployment.parameters")
    gone = {*plan.removed, *(schedule.name for schedule in plan.changed)}
    stay = [schedule for schedule in seen.schedules if schedule.name not in gone]
    for schedule in [*plan.added, *plan.changed, *(stay if of_all else ())]:
        field_name = f"schedules[{schedule.name.schedule_id}].parameters"
        merged = content.merged_parameters(schedule.content.parameters, where=field_name)
        if schema is not None:
            check_parameters(schema, merged, field_name)


def _merged(was: Schedule, change: ScheduleChange | None) -> ScheduleContent:
    if change is None:
        return was.content
    taken = {name: getattr(change.content, name) for name in change.fields}
    return replace(was.content, **taken)


def _write(resources: Resources, seen: Seen, plan: Plan) -> Sequence[Schedule] | None:
    """Writes a plan; None when something has changed since it was worked out."""
    name = plan.deployment.name
    schedules = resources.schedules.of_deployment(name, lock="change")
    if (resources.deployments.get(name, lock="change"), schedules) != (
        seen.deployment,
        list(seen.schedules),
    ):
        return None
    _check_quotas(resources, seen, plan)
    if plan.deployment != seen.deployment:
        _keep_queue(resources, plan.deployment)
    if seen.deployment is None:
        content = plan.deployment.content
        resources.deployments.add_flow(name.flow, content.flow_name, plan.deployment.created_us)
        if not resources.deployments.add(plan.deployment):
            return None
    elif plan.deployment != seen.deployment:
        resources.deployments.change(plan.deployment)
    return _write_schedules(resources, plan)


def _write_schedules(resources: Resources, plan: Plan) -> Sequence[Schedule]:
    schedules = resources.schedules
    for name in plan.removed:
        schedules.remove(name)
    for schedule in plan.changed:
        schedules.change(schedule)
    for name, slots in plan.slots:
        schedules.add_slots(name, slots)
    for schedule in plan.added:
        if not schedules.add(schedule):
            raise exists(str(schedule.name))
    return schedules.of_deployment(plan.deployment.name)


def _check_quotas(resources: Resources, seen: Seen, plan: Plan) -> None:
    more = len(plan.added) - len(plan.removed)
    if seen.deployment is not None and more <= 0:
        return
    resources.lock_counts()
    if seen.deployment is None and resources.deployments.count() >= MOST_DEPLOYMENTS:
        raise too_many("deployments_per_tenant", MOST_DEPLOYMENTS, "the tenant")
    if len(seen.schedules) + more > MOST_OF_DEPLOYMENT:
        raise too_many("schedules_per_deployment", MOST_OF_DEPLOYMENT, str(plan.deployment.name))
    if more > 0 and resources.schedules.count() + more > MOST_SCHEDULES:
        raise too_many("schedules_per_tenant", MOST_SCHEDULES, "the tenant")


def _keep_queue(resources: Resources, deployment: Deployment) -> None:
    """Locks the queue of a deployment against its removal; makes it in the pool "served"."""
    pool = deployment.pool
    if pool is None:
        return
    queue = QueueName(*pool, deployment.content.queue_id)
    if pool.pool_id == SERVED:
        _serve(resources, queue, deployment.updated_us)
    found = resources.pools.get(pool, lock="keep")
    if found is None:
        raise no_pool(pool)
    overrides = deployment.content.job_overrides
    check_template(found.settings.kind, overrides, "deployment.job_overrides_json")
    if resources.queues.get(queue, lock="keep") is None:
        raise not_found(str(queue))


def _serve(resources: Resources, queue: QueueName, now_us: int) -> None:
    """Makes the pool "served" and a queue of it, unless they are there."""
    settings = PoolSettings(kind=PROCESS, description="Deployments that their own script serves.")
    if resources.pools.get(queue.pool) is None:
        add_pool(
            resources,
            Pool(name=queue.pool, settings=settings, created_us=now_us, updated_us=now_us),
        )
    if resources.queues.get(queue) is None:
        resources.pools.get(queue.pool, lock="change")
        add_queue(
            resources,
            Queue(name=queue, settings=QueueSettings(), created_us=now_us, updated_us=now_us),
        )
