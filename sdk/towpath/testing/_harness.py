"""The harness: records what flows and tasks report."""

from __future__ import annotations

import contextlib
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from towpath._clock import current_clock
from towpath._delivery.session import use_reporter
from towpath._engine.caching import use_results_folder
from towpath.testing._clock import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Generator

    from towpath._delivery.reports import LogReport, RunReport, StateReport


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A line that a run logged or printed."""

    severity: int
    """5 debug, 9 info, 13 warning, 17 error, 21 fatal."""
    logger: str
    body: str
    attempt: int


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
    """All it went through, in order, as "RUNNING"."""
    reason: str = ""
    """Of the last state, as "CACHED"."""
    message: str = ""
    """Of the last state."""
    attempt: int = 1
    """The last one, from 1."""
    logs: list[LogLine] = field(default_factory=list["LogLine"])

    @property
    def state(self) -> str:
        """The last state, as "COMPLETED"."""
        return self.states[-1]


class Harness:
    """What the flows and tasks run under it have reported; safe to read from any thread."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self._runs: dict[str, Run] = {}
        self._lock = threading.Lock()

    @property
    def runs(self) -> list[Run]:
        """All runs in the order in which they came into being."""
        return list(self._runs.values())

    def run(self, name: str) -> Run:
        """The one run of a name.

        Raises:
            LookupError: There is none, or there are several; the message says which there are.
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
        """Records another name of a run."""
        self._runs[run_id].name = display_name

    def log(self, line: LogReport) -> None:
        """Records a line."""
        recorded = LogLine(
            severity=line.severity, logger=line.logger, body=line.body, attempt=line.attempt
        )
        with contextlib.suppress(KeyError), self._lock:
            self._runs[line.run_id].logs.append(recorded)

    def flush(self, timeout_seconds: float) -> bool:
        """Nothing waits here."""
        del timeout_seconds
        return True


@contextmanager
def harness() -> Generator[Harness]:
    """Has every flow and task in this context report to a harness of its own.

    Nothing is sent anywhere, delays between attempts take no time, and stored results lie in a
    folder that goes with the harness.
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
