"""Points between tasks at which flow runs follow requests to pause them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from towpath._runs.context import current_run
from towpath._runs.time_left import around

if TYPE_CHECKING:
    from towpath._delivery.directives import Directive
    from towpath._runs.context import RunContext


def pause_if_asked() -> None:
    """Pauses the flow run whose code begins a task, or one around it, if that is requested."""
    pausing = _asked()
    if pausing is not None:
        pausing.paused()


async def pause_if_asked_async() -> None:
    """As `pause_if_asked`, without blocking the event loop."""
    pausing = _asked()
    if pausing is not None:
        await pausing.paused_async()


def _asked() -> Any:
    """The pause that is requested; None for none."""
    run = current_run.get()
    if run is None or run.kind != "flow":
        return None
    for each in around(run):
        directive = each.pause_asked
        if directive is not None:
            each.pause_asked, each.paused_revision = None, directive.revision
            return _pausing(each, directive)
    return None


def _pausing(run: RunContext, directive: Directive) -> Any:
    # What pauses runs is above the engine, and few runs need it.
    return import_module("towpath._deploy.pausing").requested_pause(run, directive)
