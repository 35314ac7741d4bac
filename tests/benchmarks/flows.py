"""What is measured: flows of no-op tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath import flow, task

if TYPE_CHECKING:
    from collections.abc import Callable


@task
def nothing() -> None:
    """Does nothing."""


@flow(validate_parameters=False)
def called(tasks: int, after: Callable[[int], None] | None = None) -> None:
    """Calls a task again and again."""
    for done in range(1, tasks + 1):
        nothing()
        if after is not None:
            after(done)


@flow(validate_parameters=False)
def submitted(tasks: int, after: Callable[[int], None] | None = None) -> None:
    """Submits a task again and again, to threads."""
    for done in range(1, tasks + 1):
        nothing.submit()
        if after is not None:
            after(done)


@flow
def empty() -> None:
    """Does nothing."""
