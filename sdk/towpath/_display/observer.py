"""Notes the reports of one root flow run for the display, and passes them on."""

from __future__ import annotations

import contextlib
import sys
from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

from towpath._delivery.reports import RunReport, StateReport
from towpath._display.model import TROUBLES, Tree
from towpath._display.words import encodable, log_line
from towpath._runs.context import RUN_LOGGER, current_run
from towpath._state_type import TERMINAL_STATES, StateType

if TYPE_CHECKING:
    from towpath._delivery.reports import ArtifactReport, LogReport, Reporter
    from towpath._display.model import Listener

_URGENT: Final = TROUBLES | {StateType.RETRYING, StateType.SKIPPED}

Note = RunReport | tuple[str, StateReport] | tuple[str, str]


class Audience(Protocol):
    """A receiver of an observer's signals."""

    def begin(self, observer: Observer) -> None:
        """A root flow run has begun."""
        ...

    def hurry(self) -> None:
        """An urgent note was added."""
        ...

    def end(self, observer: Observer) -> None:
        """The root flow run has ended."""
        ...


class Observer:
    """A reporter that keeps notes for a display: an append to a deque for each report."""

    def __init__(
        self,
        reporter: Reporter,
        audience: Audience,
        listener: Listener | None = None,
    ) -> None:
        self.tree: Final = Tree(listener)
        self.flush: Final = reporter.flush
        self._reporter = reporter
        self._audience = audience
        self._notes: deque[Note] = deque()
        self._root = ""
        self._over = False

    def create(self, run: RunReport) -> None:
        """Reports a new run."""
        self._reporter.create(run)
        if self._over:
            return
        self._notes.append(run)
        if not self._root:
            self._root = run.run_id
            self._audience.begin(self)

    def transition(self, run_id: str, state: StateReport) -> None:
        """Reports that a run changed state."""
        self._reporter.transition(run_id, state)
        if self._over:
            return
        self._notes.append((run_id, state))
        if run_id == self._root and state.state in TERMINAL_STATES:
            self._audience.end(self)
        elif state.state in _URGENT:
            self._audience.hurry()

    def rename(self, run_id: str, display_name: str) -> None:
        """Reports another name to show for a run."""
        self._reporter.rename(run_id, display_name)
        if not self._over:
            self._notes.append((run_id, display_name))

    def log(self, line: LogReport) -> None:
        """Reports a log line, and shows it if it comes from a run's own logger.

        A line that a handler of the user's writes to the terminal is not shown again.
        """
        self._reporter.log(line)
        if line.logger == RUN_LOGGER and not line.shown and not self._over:
            with contextlib.suppress(OSError, ValueError):
                shown = log_line(line, current_run.get())
                sys.stderr.write(encodable(shown, sys.stderr.encoding))

    def artifact(self, made: ArtifactReport) -> None:
        """Reports an artifact, which isn't shown."""
        self._reporter.artifact(made)

    def take_notes(self) -> None:
        """Brings the tree up to date; called by one thread at a time."""
        with contextlib.suppress(IndexError):
            while True:
                note = self._notes.popleft()
                if isinstance(note, RunReport):
                    self.tree.create(note)
                elif isinstance(note[1], StateReport):
                    self.tree.transition(note[0], note[1])
                else:
                    self.tree.rename(note[0], note[1])

    def stop(self) -> None:
        """Stops keeping notes; reports are still passed on."""
        self._over = True
        self._notes.clear()
