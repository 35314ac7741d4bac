"""Makes, changes and removes deployments."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from towpath_service.core.errors import not_found, outdated
from towpath_service.identity.domain.principals import exists
from towpath_service.work.application.revising import (
    Plan,
    Seen,
    found,
    new_deployment,
    next_revision,
    plan_schedules,
    read,
    revise,
)
from towpath_service.work.domain.names import QueueName
from towpath_service.work.domain.pools import DEFAULT_QUEUE, SERVED

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from towpath_auth import Caller

    from towpath_service.core.clock import Clock
    from towpath_service.work.application.revising import ScheduleChange
    from towpath_service.work.domain.deployments import Deployment, DeploymentContent
    from towpath_service.work.domain.names import DeploymentName
    from towpath_service.work.domain.schedules import Schedule
    from towpath_service.work.ports.resources import Resources, ResourceStore, WaitingRuns


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentChange:
    """The change of a deployment."""

    name: DeploymentName
    content: DeploymentContent
    fields: Collection[str]
    """The parts of the content that the deployment takes on; the others stay."""
    etag: str = ""
    """The etag that the deployment must still have; empty for any."""
    allow_missing: bool = False
    """Whether it is made if there is none, with all of the content."""
    schedules: Sequence[ScheduleChange] | None = None
    """The schedules that it is to have; None to leave them as they are."""


class WorkDeployments:
    """The deployments of all workspaces of one installation."""

    def __init__(self, store: ResourceStore, waiting: WaitingRuns, clock: Clock) -> None:
        self._store = store
        self._waiting = waiting
        self._clock = clock

    async def create(
        self,
        caller: Caller,
        name: DeploymentName,
        content: DeploymentContent,
        schedules: Sequence[ScheduleChange],
    ) -> tuple[Deployment, Sequence[Schedule]]:
        """Makes a deployment with its schedules, and its flow if that is new.

        Raises:
            ServiceError: RESOURCE_EXISTS, QUOTA_EXCEEDED, INVALID_REQUEST; RESOURCE_NOT_FOUND: its
                pool or queue.
        """
        now_us = self._clock.now_us()

        def work_out(seen: Seen) -> Plan:
            if seen.deployment is not None:
                raise exists(str(name))
            made = new_deployment(name, content, actor=caller.principal, now_us=now_us)
            plan = Plan(deployment=made)
            plan_schedules(seen, plan, schedules, now_us)
            return plan

        return await revise(self._store, caller.tenant_id, name, work_out)

    async def get(
        self, caller: Caller, name: DeploymentName
    ) -> tuple[Deployment, Sequence[Schedule]]:
        """A deployment and its schedules; raises RESOURCE_NOT_FOUND."""
        seen = await self._store.read(caller.tenant_id, lambda resources: read(resources, name))
        return found(seen, name), seen.schedules

    async def page(
        self,
        caller: Caller,
        workspace_id: str,
        after: tuple[str, ...],
        limit: int,
        *,
        flow_id: str = "",
        pool_id: str = "",
    ) -> list[tuple[Deployment, int | None]]:
        """A page of deployments by flow and id, each with its next run's time.

        Args:
            caller: The caller.
            workspace_id: Their workspace.
            after: Flow and id before the page; empty for the first page.
            limit: Most deployments.
            flow_id: Their flow; empty for any.
            pool_id: Their pool; empty for any.
        """

        def work(
            resources: Resources,
        ) -> tuple[list[Deployment], Mapping[DeploymentName, int]]:
            page = resources.deployments.page(
                workspace_id, after, limit, flow_id=flow_id, pool_id=pool_id
            )
            names = [deployment.name for deployment in page]
            return page, resources.schedules.next_times(workspace_id, names)

        page, times = await self._store.read(caller.tenant_id, work)
        return [(deployment, times.get(deployment.name)) for deployment in page]

    async def update(
        self, caller: Caller, change: DeploymentChange
    ) -> tuple[Deployment, Sequence[Schedule]]:
        """Changes a deployment, and its schedules if any are given.

        A change that changes nothing makes no revision, so that deploying again is idempotent.

        Raises:
            ServiceError: RESOURCE_NOT_FOUND, ETAG_MISMATCH, QUOTA_EXCEEDED, INVALID_REQUEST.
        """
        now_us = self._clock.now_us()

        def work_out(seen: Seen) -> Plan:
            plan = Plan(deployment=_changed(seen, change, caller.principal, now_us))
            plan_schedules(seen, plan, change.schedules, now_us)
            return plan

        return await revise(self._store, caller.tenant_id, change.name, work_out)

    async def delete(self, caller: Caller, name: DeploymentName, etag: str) -> None:
        """Removes a deployment with its schedules, and cancels its runs that wait.

        Raises:
            ServiceError: RESOURCE_NOT_FOUND, ETAG_MISMATCH.
        """

        def work(resources: Resources) -> None:
            resources.schedules.of_deployment(name, lock="change")
            self._waiting.lock(resources.transaction, caller.tenant_id, name)
            deployment = resources.deployments.get(name, lock="change")
            if deployment is None:
                raise not_found(str(name))
            if etag and etag != deployment.etag:
                raise outdated(str(name))
            self._waiting.cancel(
                resources.transaction, caller.tenant_id, name, actor=caller.principal
            )
            resources.deployments.remove(name)
            _tidy(resources, deployment)

        await self._store.write(caller.tenant_id, work)
        self._waiting.tell(caller.tenant_id, name)


def _changed(seen: Seen, change: DeploymentChange, actor: str, now_us: int) -> Deployment:
    was = seen.deployment
    if was is None and change.allow_missing and not change.etag:
        return new_deployment(change.name, change.content, actor=actor, now_us=now_us)
    if was is None:
        raise not_found(str(change.name))
    if change.etag and change.etag != was.etag:
        raise outdated(str(change.name))
    taken = {name: getattr(change.content, name) for name in change.fields}
    if taken.get("pool_id", was.content.pool_id) != was.content.pool_id:
        # The queue of the other pool doesn't stay.
        taken.setdefault("queue_id", "")
    content = replace(was.content, **taken)
    return next_revision(was, content, actor=actor, now_us=now_us)


def _tidy(resources: Resources, deployment: Deployment) -> None:
    """Removes the queue of a removed deployment from the pool "served", if nothing uses it."""
    pool, queue_id = deployment.pool, deployment.content.queue_id
    if pool is None or pool.pool_id != SERVED or queue_id == DEFAULT_QUEUE:
        return
    resources.pools.get(pool, lock="change")
    queue = QueueName(*pool, queue_id)
    if not resources.queues.users(queue):
        resources.queues.remove(queue)
