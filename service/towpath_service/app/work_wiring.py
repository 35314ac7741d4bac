"""The wiring of work: pools, workers, deployments and schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath_service.app.subjects import Subject
from towpath_service.identity.storage.limits import quotas
from towpath_service.work.application.backfills import BackfillLoop, WorkBackfills
from towpath_service.work.application.cancelling import Cancelling
from towpath_service.work.application.deployments import WorkDeployments
from towpath_service.work.application.pools import WorkerRecords, WorkPools, WorkQueues
from towpath_service.work.application.scheduler import Scheduler
from towpath_service.work.application.schedules import WorkSchedules
from towpath_service.work.application.slot_retention import SlotRetention
from towpath_service.work.application.waiting_runs import DeploymentRuns
from towpath_service.work.rpc.backfill_handler import BackfillHandler
from towpath_service.work.rpc.deployment_handler import DeploymentHandler
from towpath_service.work.rpc.pool_handler import PoolHandler, QueueHandler, WorkerHandler
from towpath_service.work.rpc.schedule_handler import ScheduleHandler
from towpath_service.work.storage.backfills import SqlBackfillStore
from towpath_service.work.storage.slots import SqlSchedulingStore

if TYPE_CHECKING:
    from towpath_service.app.control_wiring import WorkOfRuns
    from towpath_service.app.subjects import Foundation
    from towpath_service.rpc.endpoints import Handler
    from towpath_service.work.application.scheduler import NoteSlots
    from towpath_service.work.ports.resources import WaitingRuns


def work(foundation: Foundation, parts: WorkOfRuns, note_slots: NoteSlots | None = None) -> Subject:
    """The subject of work.

    Args:
        foundation: What it is built on.
        parts: What runs and identity use of it, too.
        note_slots: Takes decided due times, for telemetry; None for none.
    """
    bus, clock, stores = foundation.bus, foundation.clock, foundation.stores
    waiting = DeploymentRuns(parts.control, bus, clock)
    cancelling = Cancelling(parts.control, bus, clock)
    scheduling = SqlSchedulingStore(stores.database, stores.runs, quotas)
    filling = SqlBackfillStore(stores.database, stores.runs, quotas)
    backfills = WorkBackfills(filling, cancelling, bus, clock)
    return Subject(
        handlers=(*_resources(foundation, waiting), BackfillHandler(backfills)),
        background={
            "scheduler": Scheduler(scheduling, cancelling, bus, clock, note=note_slots).run,
            "backfills": BackfillLoop(filling, bus, clock).run,
            "slot-retention": SlotRetention(scheduling, clock).run,
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
