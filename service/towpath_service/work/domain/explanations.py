"""What explains the state of a run: the facts that are looked at, and the reasons that follow."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath_service.core.transactions import SlotWait
    from towpath_service.runs.domain.pauses import Pause
    from towpath_service.runs.domain.states import RunKind, RunState


class Kind(IntEnum):
    """The kind of a reason, numbered as in the contract."""

    NOT_YET_DUE = 1
    NO_WORKER = 2
    WORKERS_FULL = 3
    POOL_PAUSED = 4
    QUEUE_PAUSED = 5
    LIMIT_FULL = 6
    OVERLAP = 7
    QUEUE_POSITION = 8
    STARTING = 9
    UPSTREAM = 10
    NEXT_ATTEMPT = 11
    STOPPING = 12
    STOP_NOT_CONFIRMED = 13
    SILENT = 14
    UPSTREAM_FAILED = 15
    CRASHED = 16
    FAILED = 17
    CANCELLED = 18
    TIMED_OUT = 19
    PAUSED = 20
    RETURNED = 21
    WORKER_CLOCK = 22
    WORKERS_PAUSED = 23


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One reason for the state of a run."""

    kind: Kind
    message: str
    """A sentence for people."""
    command: str = ""
    """A command that helps; empty if none does."""
    resources: Sequence[str] = ()
    """Names of the resources behind it."""
    end_us: int | None = None
    """When it ends by itself; None if that isn't known."""
    position: int = 0
    """Number of runs ahead, for QUEUE_POSITION."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingFacts:
    """What a queued run waits for."""

    due_us: int
    pool: str
    """Resource name."""
    pool_id: str
    queue: str
    """Resource name."""
    queue_id: str
    pool_exists: bool = True
    pool_paused: bool = False
    queue_paused: bool = False
    parked_by: str = ""
    """Name of the full limit or the schedule that holds it back; empty if none does."""
    holders: Sequence[str] = ()
    """Names of runs that take up that limit, or that the schedule waits for."""
    online_workers: int = 0
    """Workers that take runs of the queue."""
    paused_workers: Sequence[str] = ()
    """Ids of workers of the queue that take no runs until they are resumed."""
    free_slots: int = 0
    """Slots of these workers that are free."""
    last_worker: str = ""
    """Id of the worker of the pool that was heard from last; empty if there was none."""
    last_seen_us: int | None = None
    ahead: int = 0
    """Due runs of the pool that start before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessFacts:
    """The process that executes a run."""

    worker: str = ""
    """Resource name of the worker that has leased the run; empty for none."""
    worker_id: str = ""
    clock_offset_us: int = 0
    """How far the worker's clock is ahead of the service's; negative: behind."""
    host: str = ""
    pid: int = 0
    seen_us: int | None = None
    """When its producer was last heard from; None if it never was."""
    asked_us: int | None = None
    """When it was asked to end; None if it wasn't."""
    grace_us: int | None = None
    """Time to end by itself; None if nobody stops it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A snapshot of a run and what it depends on. Times are microseconds, UTC."""

    name: str
    """Resource name of the run."""
    run_id: str
    kind: RunKind
    state: RunState
    state_reason: str
    state_message: str
    now_us: int
    next_attempt_us: int | None = None
    scheduled_us: int | None = None
    waiting: WaitingFacts | None = None
    """Given for queued runs."""
    process: ProcessFacts = field(default_factory=ProcessFacts)
    upstream: Sequence[str] = ()
    """Names of the runs that it depends on and that haven't completed."""
    slot_waits: Sequence[SlotWait] = ()
    """Limits whose slots its code waits for."""
    deployment: str = ""
    """Deployment of a run that has crashed, "etl/nightly", with its pool; empty for none."""
    pool_id: str = ""
    pause: Pause | None = None
    """The pause that it is in; given for PAUSED runs."""
