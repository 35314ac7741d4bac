"""Finds a run's place in a trace; the engine calls it when a run begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath._settings.current import settings_of_runs
from towpath._telemetry import switch
from towpath._telemetry.guarded import guarded

if TYPE_CHECKING:
    from towpath._runs.context import RunContext
    from towpath._runs.trace import Trace


def trace_of(run: RunContext) -> Trace | None:
    """Returns a run's place in its trace; None when no exporter would get its spans.

    Args:
        run: The run, which has no trace yet; its parent may have one.
    """
    if run.parent is not None:
        return run.parent.trace.child() if run.parent.trace is not None else None
    tracer = switch.current_tracer()
    if tracer is None:
        return None
    from towpath._tracing.runs import trace_of_root  # noqa: PLC0415 - loads OpenTelemetry's API

    with guarded("runs"):
        return trace_of_root(run, tracer, join=settings_of_runs().join_caller_trace)
    return None


def adopted(traceparent: str) -> Trace | None:
    """Returns the place in its trace of a run that another process began.

    Args:
        traceparent: W3C header of the run's place in its trace; empty when it has none.

    Returns:
        Its place; None without a header, or with one that can't be read.
    """
    if not traceparent:
        return None
    from towpath._tracing.runs import trace_of_adopted  # noqa: PLC0415 - loads OpenTelemetry's API

    return trace_of_adopted(traceparent, switch.current_tracer())
