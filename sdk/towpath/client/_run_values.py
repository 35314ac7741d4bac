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
    """Why an attempt failed."""

    type: str
    """Fully qualified name of the exception's type."""
    message: str
    stack_trace: str = ""
    cause: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of a flow or task, with all its attempts."""

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
    """Time spent in RUNNING, over all attempts, up to `state_since`."""
    tags: tuple[str, ...] = ()
    code_version: str = ""
    observed_late: bool = False
    failure: Failure | None = None
    """Of the last attempt that failed. This and what follows are known of full runs only."""
    parameters: str = ""
    """Arguments as JSON; empty when they weren't reported or aren't JSON."""
    child_counts: Mapping[StateType, int] = field(default_factory=dict["StateType", int])
    trace_id: str = ""
    """Of the trace that its spans are in, 32 hexadecimal digits; empty when it isn't traced."""


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
    """Whether the service concluded it from silence."""
    failure: Failure | None
    next_attempt: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the service did with an update of a run, and by which rule."""

    accepted: bool
    rule: str
    reason: str
    message: str
    before: StateType | None
    after: StateType
    """The state after, or the one that was asked for and refused."""
    attempt: int
    revision: int
    """What came of it; 0 for refusals."""
    occurred: datetime
    recorded: datetime
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A line that a run logged."""

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
    """A flow, as known from its runs."""

    id: str
    name: str
    run_counts: Mapping[StateType, int]
    last_run: Run | None
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphNode:
    """A run in the tree under another."""

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
    """"synced" comes once, when all the runs present at the start have been told."""
    run_id: str = ""
    run: Run | None = None
    """None when it was removed."""
