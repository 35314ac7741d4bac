"""The reporter of a forked child for the runs that it has inherited."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath._delivery.reports import (
        ArtifactReport,
        LogReport,
        Reporter,
        RunReport,
        StateReport,
    )


class InheritedReporter:
    """Replaces the parent's reporter in a forked child.

    Log lines, artifacts and runs that begin in the child go to a reporter of the child's own.
    States of the parent's runs go nowhere: the process that began a run reports its states.
    """

    def __init__(self, own: Callable[[], Reporter]) -> None:
        """Reports nothing yet.

        Args:
            own: The child's own reporter, made when it is first needed.
        """
        self._own = own
        self._begun: set[str] = set()

    def create(self, run: RunReport) -> None:
        """Reports a run that began in this process."""
        if not run.state.state.terminal:
            self._begun.add(run.run_id)
        self._own().create(run)

    def transition(self, run_id: str, state: StateReport) -> None:
        """Reports a state of a run, if that began in this process."""
        if run_id in self._begun:
            self._own().transition(run_id, state)
            if state.state.terminal:
                self._begun.discard(run_id)

    def rename(self, run_id: str, display_name: str) -> None:
        """Reports a name of a run, if that began in this process."""
        if run_id in self._begun:
            self._own().rename(run_id, display_name)

    def log(self, line: LogReport) -> None:
        """Reports a log line."""
        self._own().log(line)

    def artifact(self, made: ArtifactReport) -> None:
        """Reports an artifact."""
        self._own().artifact(made)

    def flush(self, timeout_seconds: float) -> bool:
        """Waits until all reports of this process are acknowledged."""
        return self._own().flush(timeout_seconds)
