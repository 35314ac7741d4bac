"""The wiring of work: pools, workers, deployments and schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath_service.app.subjects import Subject
from towpath_service.work.application.backfills import BackfillLoop, WorkBackfills
from towpath_service.work.application.cancelling import Cancelling
from towpath_service.work.application.deployments import WorkDeployments
from towpath_service.work.application.pools import WorkerRecords, WorkPools, WorkQueues
from towpath_service.work.application.scheduler import Scheduler
from towpath_service.work.application.schedules import WorkSchedules
from towpath_service.work.application.waiting_runs import DeploymentRuns
from towpath_service.work.rpc.backfill_handler import BackfillHandler
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
    bus, clock, stores = foundation.bus, foundation.clock, foundation.stores
    cancelling = Cancelling(parts.control, bus, clock)
    backfills = WorkBackfills(stores.backfills, cancelling, bus, clock)
    return Subject(
        handlers=(*_resources(foundation, waiting), BackfillHandler(backfills)),
        loops={
            "scheduler": Scheduler(stores.scheduling, cancelling, bus, clock).run,
            "backfills": BackfillLoop(stores.backfills, bus, clock).run,
        },
    )


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
