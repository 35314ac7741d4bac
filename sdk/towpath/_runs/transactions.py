"""The transaction that code is in, for runs that begin there."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Protocol

from towpath._runs.context import current_run

if TYPE_CHECKING:
    from towpath._runs.context import RunContext


class Block(Protocol):
    """A transaction that a `with` statement has opened."""

    run: RunContext | None
    """The run whose code opened it; None for code outside of runs."""


open_block: Final[ContextVar[Block | None]] = ContextVar("towpath_transaction", default=None)


def transaction_around(run: RunContext | None) -> Any:
    """Returns the transaction that the code of a run is in; None outside of transactions.

    Args:
        run: The current run; None for code outside of runs.
    """
    block = open_block.get()
    if run is None or (block is not None and block.run is run):
        return block
    return run.transaction


def current_transaction() -> Any:
    """Returns the transaction that this code is in; None outside of transactions."""
    return transaction_around(current_run.get())
