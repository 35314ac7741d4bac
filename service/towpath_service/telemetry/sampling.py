"""The service's own sampling of traces, independent of the caller's sampling decision.

Otherwise an unknown caller could make the service record every trace, or none. The decision depends
on the trace's id only, so that callers and service with the same ratio agree.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_NEVER: Final = frozenset({"always_off", "parentbased_always_off"})


def ratio_from_environment(environment: Mapping[str, str] = os.environ) -> float:
    """The share of traces to record, from 0 to 1, by OTEL_TRACES_SAMPLER and its _ARG."""
    name = environment.get("OTEL_TRACES_SAMPLER", "").strip().lower()
    if name in _NEVER:
        return 0.0
    if not name.endswith("traceidratio"):
        return 1.0
    try:
        return min(1.0, max(0.0, float(environment.get("OTEL_TRACES_SAMPLER_ARG", "1"))))
    except ValueError:
        return 1.0


class ServiceSampler(Sampler):
    """Samples a share of traces by their ids; children of the service's spans go with them."""

    def __init__(self, ratio: float) -> None:
        """Takes the ratio, as `ratio_from_environment` returns it."""
        self._by_id = TraceIdRatioBased(ratio)
        self._bound = TraceIdRatioBased.get_bound_for_rate(ratio)

    def takes(self, trace_id: int) -> bool:
        """Whether spans of a trace are recorded here."""
        return trace_id & TraceIdRatioBased.TRACE_ID_LIMIT < self._bound

    def takes_text(self, traceparent: str) -> bool:
        """`takes` for a traceparent header, read without full parsing: cheap for every update."""
        try:
            return int(traceparent[19:35], 16) < self._bound
        except ValueError:
            return False

    def should_sample(
        self, parent_context: Any, trace_id: int, name: str, *args: Any, **options: Any
    ) -> SamplingResult:
        """Whether to record a span."""
        parent = trace.get_current_span(parent_context).get_span_context()
        chosen: Sampler = self._by_id
        if parent.is_valid and not parent.is_remote:
            chosen = ALWAYS_ON if parent.trace_flags.sampled else ALWAYS_OFF
        return chosen.should_sample(parent_context, trace_id, name, *args, **options)

    def get_description(self) -> str:
        """The sampler's name and ratio."""
        return f"TowpathService{{{self._by_id.get_description()}}}"
