"""Runs, histories and log lines as they are read.

Times are microseconds since the Unix epoch, UTC; structured values are JSON text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from towpath_service.core.tokens import make_etag

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from towpath_service.runs.domain.states import RunKind, RunState


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDetail:
    """The bulky part of a run."""

    parameters: str | None = None
    result: str | None = None
    failure: str | None = None
    dependencies: str | None = None
    retry_policy: str | None = None
    timeout_us: int | None = None
    child_counts: Mapping[RunState, int] = field(default_factory=dict["RunState", int])
    creator: str = ""
    """Principal that it was created for; empty once the first change of state was removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run as it is now."""

    run_id: str
    workspace_id: str
    short_id: str
    kind: RunKind
    display_name: str
    flow_id: str
    flow_name: str
    task_key: str
    task_name: str
    task_index: int
    parent_run_id: str | None
    root_run_id: str
    state: RunState
    reason: str
    message: str
    state_us: int
    revision: int
    attempt: int
    inferred: bool
    fence: int
    next_attempt_us: int | None
    scheduled_us: int | None
    started_us: int | None
    ended_us: int | None
    running_us: int
    labels: str
    tags: str
    progress: str | None
    code_version: str
    cache_key: str
    cached_from_run_id: str | None
    traceparent: str
    tracestate: str
    producer_id: str | None
    occurred_us: int
    created_us: int
    updated_us: int
    observed_late: bool
    position: int

    @property
    def etag(self) -> str:
        """Version of the fields that users may set; state changes don't affect it."""
        return make_etag(self.display_name, self.labels)


class GraphNode(NamedTuple):
    """The fields of a run that a drawn graph needs."""

    run_id: str
    parent_run_id: str | None
    kind: RunKind
    display_name: str
    state: RunState
    revision: int
    started_us: int | None
    ended_us: int | None
    dependencies: str | None
    """JSON text."""


class TimelineRun(NamedTuple):
    """The fields of a run that a timeline needs."""

    run_id: str
    parent_run_id: str | None
    kind: RunKind
    display_name: str
    group: str
    """Name of its task, or of its flow for a flow run."""
    state: RunState
    revision: int
    attempt: int
    created_us: int
    started_us: int | None
    ended_us: int | None
    dependencies: str | None
    """JSON text."""


class StateChange(NamedTuple):
    """A change of a run's state, for its timeline."""

    run_id: str
    state: RunState
    occurred_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One accepted change of a run's state."""

    run_id: str
    workspace_id: str
    revision: int
    position: int
    from_state: int
    to_state: int
    attempt: int
    reason: str
    message: str
    failure: str | None
    occurred_us: int
    recorded_us: int
    source: int
    inferred: bool
    actor: str
    producer_id: str | None
    producer_sequence: int
    next_attempt_us: int | None
    rule: str
    evidence: str | None = None
    """Evidence that the run's process had ended, as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The decision on an update of a run."""

    accepted: bool
    rule: str
    reason: str
    message: str
    from_state: int
    to_state: int
    attempt: int
    revision: int
    occurred_us: int
    recorded_us: int
    source: int
    producer_id: str | None
    producer_sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """A log line as it is read."""

    run_id: str
    producer_id: str
    sequence: int
    position: int
    attempt: int
    occurred_us: int
    severity: int
    logger: str
    body: str
    attributes: str | None
    failure: str | None
    trace_id: str
    span_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowSummary:
    """A flow with the counts of its runs."""

    flow_id: str
    display_name: str
    created_us: int
    run_counts: Mapping[RunState, int]
    last_run: Run | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """Counts of one time interval."""

    start_us: int
    end_us: int
    counts: Mapping[RunState, int]
    durations_us: Sequence[int]
    """Running times of the ended runs, ascending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """Something that a run made for people to look at."""

    artifact_id: str
    run_id: str
    root_run_id: str
    key: str
    version: int
    """Among those of the same key, from 1; 0 without a key."""
    kind: int
    """The number of the contract's ArtifactKind."""
    display_name: str
    description: str
    content: str
    """JSON text of the contract's Payload; "{}" in lists."""
    size_bytes: int
    occurred_us: int
    created_us: int
    updated_us: int
