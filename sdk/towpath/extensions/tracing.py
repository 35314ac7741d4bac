"""Ids and names of the spans of runs, and the tracer of this process; loads no OpenTelemetry."""

from __future__ import annotations

from towpath._telemetry import names
from towpath._telemetry.guarded import guarded
from towpath._telemetry.ids import (
    Carrier,
    RootPlace,
    attempt_span_id,
    root_span_id,
    trace_id_of,
)
from towpath._telemetry.switch import current_tracer

__all__ = [
    "Carrier",
    "RootPlace",
    "attempt_span_id",
    "current_tracer",
    "guarded",
    "names",
    "root_span_id",
    "trace_id_of",
]
