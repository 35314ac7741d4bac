"""Task runs that begin within a transaction, or have hooks for one, become parts of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath._runs.transactions import transaction_around

if TYPE_CHECKING:
    from towpath._engine.definitions import TaskDefinition
    from towpath._runs.children import Waitable
    from towpath._runs.context import RunContext


def join(run: RunContext, future: Waitable | None = None) -> None:
    """Has a new task run take part in the transaction around it.

    Args:
        run: The run.
        future: Its future, if it was submitted.
    """
    around = transaction_around(run.parent)
    task: TaskDefinition = run.owner
    hooks = task.policy.hooks
    if around is None and not (hooks and (hooks.get("on_commit") or hooks.get("on_rollback"))):
        return
    task.take_part(run, around, future)
