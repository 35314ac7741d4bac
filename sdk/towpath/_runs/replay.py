"""Tasks that a retried run is to run again although their results are kept.

What depends on such a task runs again, too: a run that waits for its future, and all that the
code of the flow begins once it has the outcome. A result that was kept within the retry counts: a
later attempt, or a process that goes on after a suspension, takes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """The tasks of one retry."""

    tasks: frozenset[str]
    """Names or keys of tasks and subflows, "load", or single calls, "extract[7]"."""
    attempt: int
    """The first attempt of the run that was to run them again."""

    def names(self, index: int, *names: str) -> bool:
        """Whether a call of a task is named.

        Args:
            index: Number of the call within its parent, from 0.
            *names: The names of the task.
        """
        return any(name in self.tasks or f"{name}[{index}]" in self.tasks for name in names)


def replay_of(from_tasks: Iterable[str], attempt: int) -> Replay | None:
    """The tasks that a retry runs again; None for none."""
    tasks = frozenset(from_tasks)
    return Replay(tasks=tasks, attempt=attempt) if tasks else None
