"""The port of the scheduler: due schedules, and the slots that are decided.

Order of locks: schedules, queue entries, deployments, runs, counter of the workspace.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from towpath_service.core.names import Scope
from towpath_service.work.domain.dispatching import schedule_limit
from towpath_service.work.domain.slot_policy import Unfinished

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from towpath_service.work.domain.deployments import Deployment
    from towpath_service.work.domain.dispatching import LimitKey
    from towpath_service.work.domain.names import DeploymentName, ScheduleName
    from towpath_service.work.domain.schedules import Schedule, Slot
    from towpath_service.work.ports.control import Control

Result = TypeVar("Result")


class ScheduleKey(NamedTuple):
    """A schedule of any tenant."""

    tenant_id: str
    name: ScheduleName

    @property
    def scope(self) -> Scope:
        """Its workspace."""
        return Scope(self.tenant_id, self.name.workspace_id)

    @property
    def limit(self) -> LimitKey:
        """What its runs are parked by that wait for earlier ones."""
        return schedule_limit(self.tenant_id, self.name)


class DeploymentKey(NamedTuple):
    """A deployment of any tenant."""

    tenant_id: str
    name: DeploymentName


class UnfinishedRun(NamedTuple):
    """A run of a schedule that has not ended."""

    run_id: str
    waits: bool
    """Whether it waits for others of the schedule."""


def counted(runs: Collection[UnfinishedRun]) -> Unfinished:
    """The numbers of unfinished runs."""
    waiting = sum(run.waits for run in runs)
    return Unfinished(started=len(runs) - waiting, waiting=waiting)


@dataclass(frozen=True, slots=True, kw_only=True)
class DueSchedule:
    """A schedule that is due, as it was read."""

    tenant_id: str
    schedule: Schedule
    deployment: Deployment
    unfinished: Unfinished = field(default_factory=Unfinished)
    """Its unfinished runs; none where runs may overlap."""

    @property
    def key(self) -> ScheduleKey:
        """The schedule."""
        return ScheduleKey(self.tenant_id, self.schedule.name)

    @property
    def deployment_key(self) -> DeploymentKey:
        """Its deployment."""
        return DeploymentKey(self.tenant_id, self.deployment.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """The schedules that are due."""

    schedules: Sequence[DueSchedule] = ()
    next_us: int | None = None
    """When the next of any other schedule is due; None for none."""


class Scheduling(Protocol):
    """One transaction over schedules and runs."""

    @property
    def control(self) -> Control:
        """Runs and their work within the transaction."""
        ...

    def due(self, now_us: int, of_tenant: int, most: int) -> Due:
        """Reads schedules of all tenants that are to be looked at now, the longest due first.

        Args:
            now_us: The time.
            of_tenant: Most of one tenant, where others are due, too.
            most: Most of all tenants.
        """
        ...

    def of_other_zone_data(self, version: str, limit: int) -> list[tuple[str, Schedule]]:
        """Reads due schedules of all tenants whose times were computed with other zone data."""
        ...

    def lock(self, seen: Collection[tuple[str, Schedule]]) -> set[ScheduleKey]:
        """Locks schedules; those that are locked by others, or have changed, are left out."""
        ...

    def keep_deployments(self, keys: Collection[DeploymentKey]) -> Mapping[DeploymentKey, int]:
        """Locks deployments against changes, and returns their revisions; others are left out."""
        ...

    def unfinished(self, key: ScheduleKey) -> list[UnfinishedRun]:
        """The unfinished runs of a schedule."""
        ...

    def queued_most(self, tenant_ids: Collection[str]) -> Mapping[str, int]:
        """Most queued runs of tenants that have such a quota."""
        ...

    def add_slots(self, slots: Sequence[tuple[ScheduleKey, Slot]]) -> None:
        """Records decisions; fails as a whole if one of the due times is decided already."""
        ...

    def remove_slots(self, before_us: int, most: int) -> int:
        """Removes decisions of all tenants from before a time; returns how many."""
        ...

    def move(self, schedules: Sequence[tuple[str, Schedule]]) -> None:
        """Writes what is decided and when schedules are due next."""
        ...

    def release(self, keys: Collection[ScheduleKey]) -> None:
        """Makes the first waiting run of schedules ready, if no earlier one is unfinished."""
        ...


class SchedulingStore(Protocol):
    """A store over schedules and runs."""

    async def write(self, tenants: Collection[str], work: Callable[[Scheduling], Result]) -> Result:
        """Runs work in one transaction, and returns its result after the commit.

        Args:
            tenants: Ids of all tenants whose data it may touch, or EVERY_TENANT.
            work: Reads and writes on the transaction; it may run more than once.

        Raises:
            ServiceError: OVERLOADED, when the database is unavailable.
        """
        ...

    async def read(self, tenants: Collection[str], work: Callable[[Scheduling], Result]) -> Result:
        """Runs reads that see one state of the database; raises as `write`."""
        ...
