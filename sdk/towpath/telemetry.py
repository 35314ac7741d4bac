"""Traces of runs beyond the thread and the process that a run is in.

Runs are traced by themselves where OpenTelemetry is set up; see docs/observability.md. What is here
is for code that leaves a run: threads of its own, pools, Dask, subprocesses, jobs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast

from towpath._telemetry import carriers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["current_carrier", "environment", "with_carrier"]

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def with_carrier(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """A function that takes the present trace context along, to wherever it is called.

    Spans made within it are children of the span that is current now. It goes through pickle if the
    function does, so it suits threads, process pools and Dask alike::

        pool.submit(with_carrier(resize), image)
    """
    wrapped = carriers.WithCarrier(function, carriers.carrier())
    return cast("Callable[Parameters, Result]", wrapped)


def environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for a subprocess or job that is to be part of the present trace.

    Args:
        base: What to add to; None: this process's environment.

    Returns:
        A copy with TRACEPARENT, and TRACESTATE and BAGGAGE where there are any. Flows in the
        subprocess link to the present span, or join its trace if `telemetry.join_caller` says so.
    """
    return carriers.environment(base)


def current_carrier() -> dict[str, str]:
    """The present trace context as W3C headers, `traceparent` first of all; empty without one."""
    return carriers.carrier()
