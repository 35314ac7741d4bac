"""The flow runs of this process that have not ended, and what is requested of them.

Requests are the directives of the server, and the end of the process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from towpath._delivery.directives import listen
from towpath._forks import in_child

if TYPE_CHECKING:
    from towpath._delivery.directives import Directive
    from towpath._runs.context import RunContext

_open: Final[dict[str, RunContext]] = {}


def follow(run: RunContext) -> None:
    """Has a flow run cancelled when that is requested, until it is forgotten."""
    _open[run.run_id] = run


def forget(run: RunContext) -> None:
    """Ends what `follow` began."""
    if _open.get(run.run_id) is run:
        del _open[run.run_id]


def cancel(run_id: str, message: str, *, timed_out: bool = False) -> bool:
    """Cancels a flow run of this process; any thread may call it, and it returns at once.

    Args:
        run_id: The run.
        message: The reason, for people; empty for none.
        timed_out: Whether it ends TIMED_OUT, not CANCELLED.

    Returns:
        Whether the run is one of this process that has not ended.
    """
    run = _open.get(run_id)
    if run is None or run.cancellation is None:
        return False
    if run.interruption is not None:
        run.interruption.request()
    run.cancellation.demand(message, timed_out=timed_out)
    if run.runner is not None:
        run.runner.interrupt()
    return True


def obey(directive: Directive) -> None:
    """Follows a directive of the server; it may come again."""
    run = _open.get(directive.run_id)
    if run is not None and directive.kind == "pause":
        if directive.revision > run.paused_revision:
            run.pause_asked = directive
        return
    if run is None or directive.kind not in {"cancel", "abandon"}:
        return
    run.abandoned = run.abandoned or directive.kind == "abandon"
    cancel(directive.run_id, directive.message)


listen(obey)
in_child(_open.clear)
