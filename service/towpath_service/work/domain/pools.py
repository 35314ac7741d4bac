"""Work pools, their queues and their workers, as they are stored."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from towpath_service.core.errors import invalid
from towpath_service.work.domain.json_objects import parse_object

if TYPE_CHECKING:
    from towpath_service.work.domain.names import PoolName, QueueName, WorkerName

SERVED: Final = "served"
"""Id of the pool of deployments that their own script serves; the service makes it."""
PROCESS: Final = "process"
"""The kind of pool whose workers execute each run in a process."""
KUBERNETES: Final = "kubernetes"
"""The kind of pool whose workers execute each run in a Job."""
START_TIMEOUTS_US: Final = {KUBERNETES: 600_000_000}
"""Start timeouts of kinds that need longer than others, unless the author of a pool gives one."""
DEFAULT_QUEUE: Final = "default"
"""Id of the queue that each pool has."""

MOST_POOLS: Final = 1_000
"""Most pools of a tenant."""
MOST_QUEUES: Final = 1_000
"""Most queues of a pool."""
MOST_TEMPLATE_BYTES: Final = 128 * 1024
"""Largest job template: bytes."""
MIDDLE_RANK: Final = 100
"""Rank of a queue whose author gives none."""
SILENCE_US: Final = 60_000_000
"""A worker that was heard from within this time is attached, if its record says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings:
    """The part of a pool that its author gives."""

    kind: str
    description: str = ""
    job_template: str = ""
    """JSON object; empty for the kind's own."""
    paused: bool = False
    concurrency_limit: int = 0
    """Most runs leased at once; 0 for no limit."""
    lease_us: int = 30_000_000
    start_timeout_us: int = 120_000_000
    grace_us: int = 30_000_000
    """Time that a cancelled run has to end by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A pool of workers."""

    name: PoolName
    settings: PoolSettings
    revision: int = 1
    created_us: int
    updated_us: int

    @property
    def etag(self) -> str:
        """Changes with every change of the pool."""
        return f"{self.created_us}.{self.revision}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolUse:
    """The runs and workers of a pool, or the runs of a queue, at a moment."""

    queued: int = 0
    """Runs that wait and are due."""
    leased: int = 0
    """Runs that are leased."""
    online: int = 0
    """Workers that take runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSettings:
    """The part of a queue that its author gives."""

    description: str = ""
    rank: int = MIDDLE_RANK
    """Runs of queues with a lower rank start first."""
    paused: bool = False
    concurrency_limit: int = 0
    """Most runs leased at once; 0 for no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A queue of a pool."""

    name: QueueName
    settings: QueueSettings
    revision: int = 1
    created_us: int
    updated_us: int

    @property
    def etag(self) -> str:
        """Changes with every change of the queue."""
        return f"{self.created_us}.{self.revision}"


class WorkerState(IntEnum):
    """Whether a worker takes runs; numbered as in the contract."""

    ONLINE = 1
    DRAINING = 2
    OFFLINE = 3
    PAUSED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """The record of a worker."""

    name: WorkerName
    instance_id: str
    attached: bool
    """Whether its stream was open at `seen_us`."""
    draining: bool
    slots: int
    queues: tuple[str, ...]
    """Ids of the queues that it serves; empty for all."""
    labels: dict[str, str]
    version: str
    host: str
    principal: str
    created_us: int
    seen_us: int
    clock_offset_us: int | None = None
    """How far its clock was ahead of the service's when it attached; None if not known."""
    paused: bool = False
    """Whether it takes no runs until it is resumed."""
    leased: int = 0
    """Runs that it has leased."""

    def state(self, now_us: int) -> WorkerState:
        """Whether it takes runs at a moment."""
        if not self.attached or self.seen_us < now_us - SILENCE_US:
            return WorkerState.OFFLINE
        if self.draining:
            return WorkerState.DRAINING
        return WorkerState.PAUSED if self.paused else WorkerState.ONLINE


def check_pool(settings: PoolSettings) -> None:
    """Checks the settings of a pool.

    Raises:
        ServiceError: INVALID_REQUEST, with the field; PAYLOAD_TOO_LARGE.
    """
    if not settings.kind:
        raise invalid("work_pool.kind", 'must be given, such as "process"')
    parse_object(
        settings.job_template, "work_pool.job_template_json", most_bytes=MOST_TEMPLATE_BYTES
    )
