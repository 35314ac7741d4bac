"""A reporter that keeps what it is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from towpath._delivery.reports import ArtifactReport, LogReport, RunReport, StateReport


@dataclass
class RecordingReporter:
    runs: dict[str, RunReport] = field(default_factory=dict)
    states: dict[str, list[StateReport]] = field(default_factory=dict)
    lines: list[LogReport] = field(default_factory=list)

    def create(self, run: RunReport) -> None:
        self.runs[run.run_id] = run
        self.states[run.run_id] = [run.state]

    def transition(self, run_id: str, state: StateReport) -> None:
        self.states[run_id].append(state)

    def rename(self, run_id: str, display_name: str) -> None:
        raise AssertionError("nothing renames yet")

    def log(self, line: LogReport) -> None:
        self.lines.append(line)

    def artifact(self, made: ArtifactReport) -> None:
        raise AssertionError("nothing makes artifacts yet")

    def flush(self, timeout_seconds: float) -> bool:
        return True

    def history(self, name: str) -> list[str]:
        """The states of the one run of a name."""
        (run_id,) = [run_id for run_id, run in self.runs.items() if run.display_name == name]
        return [state.state.value for state in self.states[run_id]]

    def last(self, name: str) -> StateReport:
        (run_id,) = [run_id for run_id, run in self.runs.items() if run.display_name == name]
        return self.states[run_id][-1]
