"""Values about runs: times are aware and in UTC, spans of time are seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from towpath._state_type import StateType

RunKind = Literal["flow", "task"]
Source = Literal["producer", "worker", "caller", "system", ""]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The failure of an attempt."""

    type: str
    """Fully qualified name of the exception's type."""
    message: str
    stack_trace: str = ""
    cause: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A pause of a run, which waits for somebody to resume it."""

    key: str
    """Unique within the run."""
    suspended: bool
    """Whether the run waits without a process."""
    input_schema: str
    """JSON Schema of the input that resuming takes; empty for none."""
    began: datetime
    deadline: datetime | None = None
    """When it can't be answered any more; None for no end."""
    answered: datetime | None = None
    answered_by: str = ""
    """Principal that answered it; empty until then."""
    expired: bool = False
    """Whether its deadline has passed; told to the process of its run only."""
    input: str = ""
    """The input that it was answered with, a JSON object; told to the process of its run only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """An execution of a flow or task, with all its attempts."""

    id: str
    short_id: str
    """The id's last 40 bits in Crockford's base 32, 8 characters."""
    kind: RunKind
    name: str
    flow_id: str
    flow: str
    """Name of the flow; empty for a task run outside any."""
    task: str
    state: StateType
    reason: str
    message: str
    attempt: int
    revision: int
    """Grows by one with each change of state."""
    parent_id: str
    root_id: str
    created: datetime
    started: datetime | None
    ended: datetime | None
    state_since: datetime
    running_seconds: float
    """Seconds in the state RUNNING, over all attempts, up to `state_since`."""
    tags: tuple[str, ...] = ()
    code_version: str = ""
    observed_late: bool = False
    failure: Failure | None = None
    """Failure of the last attempt that failed. This and the following fields are set in full runs
    only."""
    parameters: str = ""
    """Arguments as JSON; empty when they weren't reported or aren't JSON."""
    child_counts: Mapping[StateType, int] = field(default_factory=dict["StateType", int])
    trace_id: str = ""
    """Id of the trace with its spans, 32 hexadecimal digits; empty when it isn't traced."""
    creator: str = ""
    """Principal that it was created for, "users/ada"; for a schedule, the deployment's owner."""
    deployment: str = ""
    """Deployment that it is a run of, "flow/deployment". This and the following fields are empty
    for a run of a script."""
    deployment_revision: int = 0
    schedule: str = ""
    """Id of the schedule that created it; empty if none did."""
    slot: datetime | None = None
    """Due time of the schedule that it stands for."""
    scheduled: datetime | None = None
    """When it was due; the time of its creation if it was due at once."""
    queue: str = ""
    """Queue that it waits or waited in, "pool/queue"."""
    worker: str = ""
    """Name of the worker that executes it; empty while none does."""
    pause: Pause | None = None
    """The pause that it is in; None for a run that isn't paused."""

    @property
    def late_seconds(self) -> float | None:
        """Seconds from when it was due to the start of its code; None before that."""
        if self.scheduled is None or self.started is None:
            return None
        return max(0.0, (self.started - self.scheduled).total_seconds())


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """A change of a run's state."""

    run_id: str
    revision: int
    before: StateType | None
    after: StateType
    attempt: int
    reason: str
    message: str
    rule: str
    occurred: datetime
    recorded: datetime
    source: Source
    inferred: bool
    """Whether the service concluded it because the producer was silent."""
    failure: Failure | None
    next_attempt: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The service's decision about an update of a run, and its rule."""

    accepted: bool
    rule: str
    reason: str
    message: str
    before: StateType | None
    after: StateType
    """The state after the decision; for a refusal, the state that was reported."""
    attempt: int
    revision: int
    """The run's revision after it; 0 for refusals."""
    occurred: datetime
    recorded: datetime
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A log line of a run."""

    run_id: str
    attempt: int
    time: datetime
    severity: str
    """TRACE, DEBUG, INFO, WARN, ERROR or FATAL."""
    logger: str
    body: str
    failure: Failure | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowSummary:
    """A flow, as its runs report it."""

    id: str
    name: str
    run_counts: Mapping[StateType, int]
    last_run: Run | None
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphNode:
    """A run in the tree below another run."""

    id: str
    parent_id: str
    """Empty for the root of the graph."""
    kind: RunKind
    name: str
    state: StateType
    started: datetime | None
    ended: datetime | None
    upstream_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvent:
    """A change to a watched run."""

    kind: Literal["added", "modified", "removed", "synced"]
    """The kind of change; "synced" comes once, after the runs that existed at the start."""
    run_id: str = ""
    run: Run | None = None
    """The run after the change; None when it was removed."""
