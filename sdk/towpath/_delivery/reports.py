"""The engine's reports, as plain values; the delivery converts them to the contract's messages.

Times are seconds since the Unix epoch, as `time.time()` gives them; spans are seconds.

No report changes once it is made. Those that each run makes are not declared frozen, since Python
takes twice as long to make a frozen one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from towpath._state_type import StateType

RunKind = Literal["flow", "task"]
# A call of `dict[str, str]` takes ten times as long.
_no_labels: Final = cast("Callable[[], dict[str, str]]", dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A value by content or by reference: a result or the parameters of a run."""

    data: bytes | None = None
    uri: str = ""
    content_type: str = "application/json"
    size_bytes: int = 0
    sha256: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureReport:
    """Why an attempt failed."""

    type: str
    message: str
    stack_trace: str = ""
    cause: FailureReport | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseReport:
    """The terms of a pause."""

    key: str
    """Unique within the run; code that runs again meets the same keys."""
    input_schema: str = ""
    """JSON Schema of the input that resuming takes; empty for none."""
    timeout_seconds: float | None = None
    """Time in which it can be answered; None for no end."""


@dataclass(slots=True, kw_only=True)
class StateReport:
    """A state that a run has entered."""

    state: StateType
    time: float
    attempt: int = 1
    """Attempt it belongs to, from 1; for RETRYING, the attempt that failed."""
    reason: str = ""
    message: str = ""
    failure: FailureReport | None = None
    next_attempt_time: float | None = None
    """Start of the next attempt, for RETRYING."""
    result: Content | None = None
    """The result, for COMPLETED."""
    fence: int = 0
    """Fence of the lease that the run executes under; 0 for a run that no worker was given."""
    traceparent: str = ""
    """Header of the span in which the state was entered, if that is recorded."""
    pause: PauseReport | None = None
    """The terms of the pause, for PAUSED."""


@dataclass(slots=True, kw_only=True)
class RunReport:
    """A new run."""

    run_id: str
    kind: RunKind
    state: StateReport
    """SCHEDULED, PENDING, RUNNING or SKIPPED, or COMPLETED with reason CACHED."""
    display_name: str
    flow_id: str = ""
    flow_name: str = ""
    task_key: str = ""
    task_name: str = ""
    task_index: int = 0
    parent_run_id: str = ""
    root_run_id: str = ""
    """Empty when it is this run itself."""
    parameters: Content | None = None
    tags: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=_no_labels)
    dependencies: Sequence[tuple[str, str]] = ()
    """(upstream run id, parameter name or "")."""
    max_attempts: int = 1
    timeout_seconds: float | None = None
    code_version: str = ""
    cache_key: str = ""
    cached_from_run_id: str = ""
    traceparent: str = ""
    """Header of the root run's span, or for other runs of the span that they began in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogReport:
    """A line logged within a run."""

    run_id: str
    time: float
    severity: int
    """As the contract's LogSeverity: 5 debug, 9 info, 13 warning, 17 error, 21 fatal."""
    logger: str
    body: str
    attempt: int = 0
    attributes: Mapping[str, str] = field(default_factory=dict[str, str])
    failure: FailureReport | None = None
    trace_id: str = ""
    span_id: str = ""
    shown: bool = False
    """Whether a handler of the process writes it to the terminal; not sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactReport:
    """An artifact that a run has made, or the new content of one."""

    run_id: str
    artifact_id: str
    """With the id of an artifact of the same run, its content is replaced."""
    kind: int
    """As the contract's ArtifactKind: 1 Markdown, 2 table, 3 link, 4 image, 5 progress."""
    time: float
    content: Content
    key: str = ""
    title: str = ""
    description: str = ""


class Reporter(Protocol):
    """Takes reports and delivers them, each once and in order.

    No method waits for a network or raises because of one: a report costs microseconds and is on
    disk when the call returns. Safe to call from any thread.
    """

    def create(self, run: RunReport) -> None:
        """Reports a new run."""
        ...

    def transition(self, run_id: str, state: StateReport) -> None:
        """Reports that a run changed state."""
        ...

    def rename(self, run_id: str, display_name: str) -> None:
        """Reports another name to show for a run."""
        ...

    def log(self, line: LogReport) -> None:
        """Reports a log line."""
        ...

    def artifact(self, made: ArtifactReport) -> None:
        """Reports an artifact."""
        ...

    def flush(self, timeout_seconds: float) -> bool:
        """Waits until all reports so far are acknowledged; False when the time ran out first.

        Returns at once when there is nowhere to deliver to.
        """
        ...
