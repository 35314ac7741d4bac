"""The wiring of work: pools, workers, deployments and schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath_service.app.subjects import Subject
from towpath_service.work.application.cancelling import Cancelling
from towpath_service.work.application.deployments import WorkDeployments
from towpath_service.work.application.pools import WorkerRecords, WorkPools, WorkQueues
from towpath_service.work.application.scheduler import Scheduler
from towpath_service.work.application.schedules import WorkSchedules
from towpath_service.work.application.waiting_runs import DeploymentRuns
from towpath_service.work.rpc.deployment_handler import DeploymentHandler
from towpath_service.work.rpc.pool_handler import PoolHandler, QueueHandler, WorkerHandler
from towpath_service.work.rpc.schedule_handler import ScheduleHandler

if TYPE_CHECKING:
    from towpath_service.app.control_wiring import WorkOfRuns
    from towpath_service.app.subjects import Foundation
    from towpath_service.rpc.endpoints import Handler
    from towpath_service.work.ports.resources import WaitingRuns


def work(foundation: Foundation, parts: WorkOfRuns) -> Subject:
    """The subject of work."""
    waiting = DeploymentRuns(parts.control, foundation.bus, foundation.clock)
    return Subject(
        handlers=_resources(foundation, waiting),
        loops={"scheduler": _scheduler(foundation, parts).run},
    )


def _scheduler(foundation: Foundation, parts: WorkOfRuns) -> Scheduler:
    bus, clock = foundation.bus, foundation.clock
    cancelling = Cancelling(parts.control, bus, clock)
    return Scheduler(foundation.stores.scheduling, cancelling, bus, clock)


def _resources(foundation: Foundation, waiting: WaitingRuns) -> tuple[Handler, ...]:
    """The handlers of pools, queues, workers, deployments and schedules."""
    store, clock = foundation.stores.work, foundation.clock
    schedules = WorkSchedules(store, clock)
    return (
        PoolHandler(WorkPools(store, clock)),
        QueueHandler(WorkQueues(store, clock)),
        WorkerHandler(WorkerRecords(store, clock)),
        DeploymentHandler(WorkDeployments(store, waiting, clock), schedules),
        ScheduleHandler(schedules),
    )
