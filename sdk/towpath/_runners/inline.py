"""The task runner that runs a task in the thread that submits it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath._runners.base import TaskRunner

if TYPE_CHECKING:
    from collections.abc import Callable


class InlineTaskRunner(TaskRunner):
    """Runs each task in the thread that submits it."""

    def run(self, work: Callable[[], None]) -> None:
        """Runs work at once."""
        work()

    def duplicate(self) -> InlineTaskRunner:
        """Returns another inline runner."""
        return InlineTaskRunner()
