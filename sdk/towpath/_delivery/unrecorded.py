"""The reporter that replaces an outbox where the Towpath home can't be used."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from towpath._delivery.reports import ArtifactReport, LogReport, RunReport, StateReport


class Unrecorded:
    """A reporter that keeps nothing: flows run, and a warning says that nothing is recorded."""

    def __init__(self, home: Path, error: OSError) -> None:
        """Warns on stderr.

        Args:
            home: The Towpath home.
            error: Why it can't be used.
        """
        self.pid = os.getpid()
        sys.stderr.write(
            f"towpath: nothing is recorded of the flows of this process, since the Towpath home"
            f" {home} can't be used ({error.strerror or error}). Set TOWPATH_HOME to a folder that"
            " this user can write to.\n"
        )

    def create(self, run: RunReport) -> None:
        """Drops the report of a new run."""

    def transition(self, run_id: str, state: StateReport) -> None:
        """Drops the report of a state."""

    def rename(self, run_id: str, display_name: str) -> None:
        """Drops the report of a name."""

    def log(self, line: LogReport) -> None:
        """Drops a log line."""

    def artifact(self, made: ArtifactReport) -> None:
        """Drops the report of an artifact."""

    def flush(self, timeout_seconds: float) -> bool:
        """Returns at once: no report waits."""
        del timeout_seconds
        return True

    def let_go(self) -> None:
        """Does nothing: it holds no resource."""

    def close(self) -> None:
        """Does nothing: it has no file open."""
