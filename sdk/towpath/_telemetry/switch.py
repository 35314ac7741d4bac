"""Whether runs are traced here, and by what."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

from towpath._telemetry.guarded import harmless
from towpath.settings import get_settings

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

    from towpath._telemetry.runs import RunTrace
    from towpath.context import RunContext

_ASKED_BY: Final = (
    "OTEL_TRACES_EXPORTER",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
)


def trace_of(run: RunContext) -> RunTrace | None:
    """Where a run's spans belong; None when nobody would get them."""
    if run.parent is not None:
        return run.parent.trace.child() if run.parent.trace is not None else None
    tracer = current_tracer()
    if tracer is None:
        return None
    from towpath._telemetry.runs import trace_of_root  # noqa: PLC0415 - as below

    with harmless("runs"):
        return trace_of_root(run, tracer, join=get_settings().join_caller_trace)
    return None


def adopted(traceparent: str) -> RunTrace | None:
    """Where a run's spans belong that another process begun; None when it told no place."""
    if not traceparent:
        return None
    from towpath._telemetry.runs import trace_of_adopted  # noqa: PLC0415 - as below

    return trace_of_adopted(traceparent, current_tracer())


def call_metadata() -> dict[str, str]:
    """The present trace context for a call to the service; empty where nothing is traced."""
    if "opentelemetry.trace" not in sys.modules:
        return {}
    from towpath._telemetry import carriers  # noqa: PLC0415 - as below

    return carriers.carrier()


def end_of_process() -> None:
    """Sends what spans are left, within a bounded time; for a process that ends at once."""
    if "opentelemetry.sdk.trace" in sys.modules:
        from towpath._telemetry import tracers  # noqa: PLC0415 - as below

        tracers.end()


def current_tracer() -> Tracer | None:
    """The tracer for runs that begin now; None when nobody would get their spans.

    A process pays for this only when its environment asks for traces, or when it uses OpenTelemetry
    itself.
    """
    if "opentelemetry.trace" not in sys.modules and not wanted_by_environment():
        return None
    from towpath._telemetry import tracers  # noqa: PLC0415 - only who wants traces pays for them

    return tracers.current_tracer()


def wanted_by_environment() -> bool:
    """Whether the standard variables ask for traces."""
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if os.environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none":
        return False
    return any(os.environ.get(name, "").strip() for name in _ASKED_BY)
