"""Task runs as parts of transactions.

The run of a task is a transaction of its own: it is staged when its function has returned, and the
transaction around it takes it over. Without one it commits at its end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from towpath._strikes import spared
from towpath._transactions.hooks import call_each
from towpath._transactions.transaction import BaseTransaction

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath._delivery.reports import Content
    from towpath._engine.caching import ResultEntry
    from towpath._runs.children import Waitable
    from towpath._runs.context import RunContext
    from towpath.states import State


class TaskTransaction(BaseTransaction):
    """The transaction of a task run."""

    def __init__(self, run: RunContext, parent: BaseTransaction | None) -> None:
        """Begins with the run.

        Args:
            run: The run.
            parent: The transaction around it; None without one.
        """
        super().__init__()
        self._begin(parent)
        self.run = run
        run.call_at_end(self._ended)

    def keeping(self, entry: ResultEntry | None) -> Callable[[Any], Content | None]:
        """Returns what keeps the result of an attempt: it is stored with the commit.

        Args:
            entry: Where the result is kept; None for nowhere.
        """

        def keep(value: Any) -> Content | None:
            content, write = (None, None) if entry is None else entry.prepare(value)
            run = self.run
            assert run is not None
            if entry is not None:
                self.key = entry.key or None
            hooks = run.owner.policy.hooks
            self._stage(write, list(hooks.get("on_rollback", ())), list(hooks.get("on_commit", ())))
            return content

        return keep

    def again(self) -> None:
        """Rolls back what a failed attempt of the run has done in runs of its own."""
        with self._lock:
            children, self.children = self.children, []
        for child in reversed(children):
            with spared(deaf=True):
                call_each(child._rolling_back())  # noqa: SLF001 - of the base class

    def _write_down(self, first: int) -> None:
        # Without a transaction around it, the run commits next.
        if self._parent is not None:
            super()._write_down(first)

    def _ended(self, state: State[Any]) -> None:
        run = self.run
        if run is None or run.silent:
            return
        with spared(deaf=True):
            if not state.is_completed():
                call_each(self._rolling_back())
            elif self.hands_over:
                assert self._parent is not None
                self._parent.add_child(self)
            else:
                call_each(self._committing())


def take_part(run: RunContext, around: BaseTransaction | None, future: Waitable | None) -> None:
    """Makes a new task run a part of the transaction around it.

    Args:
        run: The run.
        around: The transaction around it; None for none.
        future: Its future, if it was submitted.
    """
    if around is None:
        around = _of_parent(run)
    run.transaction = TaskTransaction(run, around)
    block = around
    if future is not None:
        while isinstance(block, TaskTransaction):
            block = block.get_parent()
        if block is not None:
            block.pending.append(future)


def _of_parent(run: RunContext) -> BaseTransaction | None:
    """The transaction of the task run around a run, which has none until a part needs it."""
    parent = run.parent
    # A process that runs tasks of another one has no settings, and doesn't end their runs.
    if parent is None or parent.kind != "task" or parent.settings is None or parent.ended:
        return None
    if parent.transaction is None:
        parent.transaction = TaskTransaction(parent, _of_parent(parent))
    found: BaseTransaction = parent.transaction
    return found
