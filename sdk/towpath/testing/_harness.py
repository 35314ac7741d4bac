"""The harness: records what flows and tasks report."""

from __future__ import annotations

import contextlib
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from towpath._clock import current_clock
from towpath._delivery.session import use_reporter
from towpath._results.opening import use_results_folder
from towpath.testing._clock import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Generator

    from towpath._delivery.reports import ArtifactReport, LogReport, RunReport, StateReport

_KINDS: Final = ("", "markdown", "table", "link", "image", "progress")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A line that a run logged or printed."""

    severity: int
    """5 debug, 9 info, 13 warning, 17 error, 21 fatal."""
    logger: str
    body: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """An artifact that a run made."""

    id: str
    key: str
    kind: str
    """Its kind, "markdown", "table", "link", "image" or "progress"."""
    title: str
    """The text of a link."""
    description: str
    content: str
    """Markdown, JSON of a table or a number, or an address."""


@dataclass(slots=True, kw_only=True)
class Run:
    """A run that was recorded."""

    id: str
    kind: Literal["flow", "task"]
    name: str
    flow_name: str
    task_name: str
    parent_id: str
    tags: list[str]
    upstream: list[str]
    """Ids of the runs it waited for."""
    states: list[str] = field(default_factory=list[str])
    """All its states in order, as "RUNNING"."""
    reason: str = ""
    """Reason of the last state, as "CACHED"."""
    message: str = ""
    """Message of the last state."""
    attempt: int = 1
    """Number of the last attempt, from 1."""
    logs: list[LogLine] = field(default_factory=list["LogLine"])
    artifacts: list[Artifact] = field(default_factory=list["Artifact"])
    """Its artifacts, each with its last content."""

    @property
    def state(self) -> str:
        """The last state, as "COMPLETED"."""
        return self.states[-1]


class Harness:
    """The reports of all flows and tasks that ran under it; safe to read from any thread."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self._runs: dict[str, Run] = {}
        self._lock = threading.Lock()

    @property
    def runs(self) -> list[Run]:
        """All runs, in the order of their creation."""
        return list(self._runs.values())

    def run(self, name: str) -> Run:
        """Returns the only run with a name.

        Args:
            name: The run's name.

        Raises:
            LookupError: There is no such run, or several; the message lists the names of all runs.
        """
        found = [run for run in self.runs if run.name == name]
        if len(found) == 1:
            return found[0]
        names = ", ".join(sorted({run.name for run in self.runs})) or "none at all"
        problem = f"{len(found)} runs are" if found else "no run is"
        raise LookupError(f"{problem} named {name!r}; the runs are: {names}")

    def create(self, run: RunReport) -> None:
        """Records a new run."""
        recorded = Run(
            id=run.run_id,
            kind=run.kind,
            name=run.display_name,
            flow_name=run.flow_name,
            task_name=run.task_name,
            parent_id=run.parent_run_id,
            tags=list(run.tags),
            upstream=[run_id for run_id, _ in run.dependencies],
        )
        with self._lock:
            self._runs[run.run_id] = recorded
        self.transition(run.run_id, run.state)

    def transition(self, run_id: str, state: StateReport) -> None:
        """Records that a run changed state."""
        run = self._runs[run_id]
        with self._lock:
            run.states.append(state.state.value)
            run.reason, run.message, run.attempt = state.reason, state.message, state.attempt

    def rename(self, run_id: str, display_name: str) -> None:
        """Records the new name of a run."""
        self._runs[run_id].name = display_name

    def log(self, line: LogReport) -> None:
        """Records a line."""
        recorded = LogLine(
            severity=line.severity, logger=line.logger, body=line.body, attempt=line.attempt
        )
        with contextlib.suppress(KeyError), self._lock:
            self._runs[line.run_id].logs.append(recorded)

    def artifact(self, made: ArtifactReport) -> None:
        """Records an artifact, or its new content."""
        data = made.content.data
        recorded = Artifact(
            id=made.artifact_id,
            key=made.key,
            kind=_KINDS[made.kind],
            title=made.title,
            description=made.description,
            content=made.content.uri if data is None else data.decode(),
        )
        with self._lock:
            artifacts = self._runs[made.run_id].artifacts
            ids = [artifact.id for artifact in artifacts]
            if recorded.id in ids:
                artifacts[ids.index(recorded.id)] = recorded
            else:
                artifacts.append(recorded)

    def flush(self, timeout_seconds: float) -> bool:
        """Returns True: the harness delivers nothing."""
        del timeout_seconds
        return True


@contextmanager
def harness() -> Generator[Harness]:
    """Makes every flow and task in this context report to a new harness.

    Nothing is sent to a service, and delays between attempts take no time. Stored results lie in a
    temporary folder that is removed at the end.

    Yields:
        The harness.
    """
    clock = VirtualClock()
    recording = Harness(clock)
    token = current_clock.set(clock)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="towpath-testing-") as folder,
            use_results_folder(Path(folder)),
            use_reporter(recording),
        ):
            yield recording
    finally:
        current_clock.reset(token)
