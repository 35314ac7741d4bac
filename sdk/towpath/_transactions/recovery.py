"""Rolls back what processes have staged that ended within a transaction."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from towpath._engine.run_logging import get_run_logger
from towpath._settings.current import settings_of_runs
from towpath._transactions.hooks import HookCall, call_each
from towpath._transactions.journal import hook_of, left_behind, value_of
from towpath._transactions.modes import TransactionState
from towpath._transactions.transaction import BaseTransaction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from towpath._runs.context import RunContext
    from towpath._transactions.journal import Left, Stage
    from towpath._transactions.transaction import Logger

_log: Final = logging.getLogger("towpath.transactions")


def roll_back_left(run: RunContext | None, *, run_id: str = "", key: str = "") -> None:
    """Rolls back what is left of processes that are gone, each in reverse.

    Args:
        run: The run that hooks are called in; None for none.
        run_id: Of transactions in this run.
        key: Of transactions with this key.
    """
    settings = (run.settings if run is not None else None) or settings_of_runs()
    for left in left_behind(settings.home, run_id=run_id, key=key):
        called = False
        try:
            call_each(_calls(left, run, key))
            called = True
        finally:
            left.close(remove=called)


def _calls(left: Left, run: RunContext | None, key: str) -> Iterator[HookCall]:
    logger = _log if run is None else get_run_logger(run)
    for stage in reversed(left.stages):
        logger.warning("Rolling back %s: its process ended within a transaction", stage.name)
        again = _transaction_of(stage, run, key, logger)
        for index, written in reversed(list(enumerate(stage.hooks))):
            if index in stage.done:
                continue
            try:
                hook = hook_of(written)
            except Exception:
                shown = written.get("shown") or written.get("name")
                logger.exception(
                    "the rollback hook %s of %s is not there any more: undo by hand what it undoes",
                    shown,
                    stage.name,
                )
                left.done(stage, index)
                continue
            yield HookCall(hook, "rollback", again, logger, run, _noted(left, stage, index))


def _noted(left: Left, stage: Stage, index: int) -> Any:
    return lambda: left.done(stage, index)


def _transaction_of(
    stage: Stage, run: RunContext | None, key: str, logger: Logger
) -> BaseTransaction:
    """The transaction that hooks of another process's stage get."""
    made = BaseTransaction(key=key or None, logger=logger)
    made.run = run
    made.state = TransactionState.ROLLED_BACK
    for name, pickled in stage.values.items():
        try:
            made.set(name, value_of(pickled))
        except Exception:
            logger.exception("the value %r of %s can't be read back", name, stage.name)
    return made
