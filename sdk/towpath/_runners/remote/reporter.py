"""The reporter of a worker, which hands all reports to the flow's process."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from towpath._delivery.inherited import InheritedReporter
from towpath._delivery.session import own_reporter
from towpath._runners.remote.messages import Report

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath._delivery.reports import ArtifactReport, LogReport, RunReport, StateReport


class ForwardingReporter:
    """Hands reports to the flow's process, which delivers them.

    In a forked child it leaves that to the worker, and the child's reports go to an outbox of the
    child's own.
    """

    def __init__(self, send: Callable[[Report], object]) -> None:
        """Sends nothing yet.

        Args:
            send: Sends a report; any thread may call it.
        """
        self._send = send
        self._pid = os.getpid()
        self._own: InheritedReporter | None = None

    def create(self, run: RunReport) -> None:
        """Reports a new run."""
        self._forward(Report(method="create", arguments=(run,)))

    def transition(self, run_id: str, state: StateReport) -> None:
        """Reports that a run changed state."""
        self._forward(Report(method="transition", arguments=(run_id, state)))

    def rename(self, run_id: str, display_name: str) -> None:
        """Reports another name to show for a run."""
        self._forward(Report(method="rename", arguments=(run_id, display_name)))

    def log(self, line: LogReport) -> None:
        """Reports a log line."""
        self._forward(Report(method="log", arguments=(line,)))

    def artifact(self, made: ArtifactReport) -> None:
        """Reports an artifact."""
        self._forward(Report(method="artifact", arguments=(made,)))

    def flush(self, timeout_seconds: float) -> bool:
        """Returns at once in a worker: reports don't wait here."""
        return self._own is None or self._own.flush(timeout_seconds)

    def _forward(self, report: Report) -> None:
        if os.getpid() == self._pid:
            self._send(report)
            return
        if self._own is None:
            self._own = InheritedReporter(own_reporter)
        getattr(self._own, report.method)(*report.arguments)
