"""The reports of producers, as values of the domain.

Times are microseconds since the Unix epoch, UTC. Values that the service only stores and returns
(parameters, results, failures, labels) are JSON text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towpath_service.runs.domain.states import RunKind, RunState


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseTerms:
    """The terms of a pause."""

    key: str
    """Unique within the run; code that runs again meets the same keys."""
    input_schema: str = ""
    """JSON Schema of the input that resuming takes; empty for none."""
    timeout_us: int | None = None
    """Time in which it can be answered; None for no end."""


@dataclass(slots=True, kw_only=True)
class StateReport:
    """A report that a run entered a state."""

    state: RunState
    attempt: int = 0
    """0 means the run's current attempt; for RETRYING, the attempt that failed."""
    reason: str = ""
    message: str = ""
    failure: str | None = None
    next_attempt_us: int | None = None
    result: str | None = None
    fence: int = 0
    pause: PauseTerms | None = None
    """Terms of the pause, for PAUSED."""


@dataclass(slots=True, kw_only=True)
class Creation:
    """A report that a run was created."""

    kind: RunKind
    initial: StateReport
    display_name: str
    flow_id: str = ""
    flow_name: str = ""
    task_key: str = ""
    task_name: str = ""
    task_index: int = 0
    parent_run_id: str | None = None
    root_run_id: str = ""
    parameters: str | None = None
    labels: Mapping[str, str] | None = None
    tags: tuple[str, ...] = ()
    dependencies: str | None = None
    retry_policy: str | None = None
    timeout_us: int | None = None
    scheduled_us: int | None = None
    traceparent: str = ""
    tracestate: str = ""
    code_version: str = ""
    cache_key: str = ""
    cached_from_run_id: str | None = None


@dataclass(slots=True, kw_only=True)
class Progress:
    """A report of a run's progress."""

    content: str


@dataclass(slots=True, kw_only=True)
class Heartbeat:
    """A report that a run is alive."""


@dataclass(slots=True, kw_only=True)
class Amendment:
    """A report that a run changed its own name or labels."""

    display_name: str
    set_labels: Mapping[str, str]
    remove_labels: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class ArtifactReport:
    """A report that a run made an artifact, or replaced the content of one."""

    artifact_id: str
    key: str
    kind: int
    """The number of the contract's ArtifactKind."""
    display_name: str
    description: str
    content: str
    """JSON text of the contract's Payload."""
    size_bytes: int


@dataclass(slots=True, kw_only=True)
class Unusable:
    """An update that breaks a rule of the contract, as found during conversion."""

    reason: str
    message: str
    metadata: Mapping[str, str]


Change = Creation | StateReport | Progress | Heartbeat | Amendment | ArtifactReport | Unusable


@dataclass(slots=True, kw_only=True)
class Update:
    """One report of a producer about one run."""

    sequence: int
    run_id: str
    occurred_us: int
    change: Change
    traceparent: str = ""
    """The producer's span as a W3C traceparent; None if it sent none."""
