"""The trace of a root run that this process began.

The spans of the root and its attempts are made at their end, with ids computed from the run's id.
So this process makes the same spans as the service does for a process that was killed. Flows and
tasks are recorded spans below them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, TraceFlags

from towpath._telemetry import names
from towpath._telemetry.ids import (
    Carrier,
    RootPlace,
    attempt_span_id,
    root_span_id,
    trace_id_of,
)
from towpath._tracing.places import RootTrace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context
    from opentelemetry.trace import Tracer, TraceState

    from towpath._delivery.reports import StateReport
    from towpath._runs.trace import TracedRun
    from towpath._telemetry.synthetic import FinishedSpan

MOST_KEPT: Final = 32
"""Most failed tasks of a run that get spans although the sampler dropped the run."""


class OwnedTrace(RootTrace):
    """The trace of a root run that this process began: it makes the root and the attempts."""

    def __init__(self, tracer: Tracer, run: TracedRun, *, join: bool) -> None:
        """Asks the sampler, once for the whole run.

        Args:
            tracer: Tracer of OpenTelemetry's SDK.
            run: The root run.
            join: Whether the run is part of its caller's trace, not only linked to it.
        """
        caller = _caller()
        # A later attempt of a dispatched run gets its own root as the caller.
        is_own = caller is not None and caller.span_id == root_span_id(run.run_id)
        self._parent = caller if join and not is_own else None
        self._links: list[Link] = []
        if caller is not None and not join:
            self._links.append(Link(caller, {names.LINK_TYPE: names.LINK_CREATOR}))
        joined = caller if join else None
        self._trace_id = joined.trace_id if joined else trace_id_of(run.run_id)
        sampled, self._state = _asked(
            tracer,
            f"{names.RUN} {run.flow_name}",
            {names.PIPELINE_NAME: run.flow_name},
            self._trace_id,
            self._parent,
            self._links,
        )
        super().__init__(tracer, sampled=sampled)
        self._run = run
        self._pid = os.getpid()
        self._started = run.created
        self._failed: list[FinishedSpan] = []

    @property
    def carrier(self) -> Carrier:
        """The root span."""
        return Carrier(
            trace_id=self._trace_id, span_id=root_span_id(self._run.run_id), sampled=self.sampled
        )

    @property
    def _is_ours(self) -> bool:
        """Whether this is the process that began the run, not a forked child of it."""
        return self._pid == os.getpid()

    def parent(self, run: TracedRun, context: Context) -> Context:
        """Returns the attempt's own span as the parent, for the root run."""
        if run is not self._run:
            return context
        self._started = run.clock.time() if run.attempt > 1 else run.created
        span = SpanContext(
            self._trace_id,
            attempt_span_id(run.run_id, run.attempt),
            is_remote=True,
            trace_flags=TraceFlags(TraceFlags.SAMPLED if self.sampled else TraceFlags.DEFAULT),
            trace_state=self._state,
        )
        return trace.set_span_in_context(NonRecordingSpan(span), context)

    def keep(self, run: TracedRun, state: StateReport, started: float) -> None:
        """Keeps a failed task's data, in case the run fails."""
        from towpath._tracing import final_spans  # noqa: PLC0415 - loads OpenTelemetry's SDK

        if run is not self._run and len(self._failed) < MOST_KEPT and self._is_ours:
            self._failed.append(
                final_spans.failed_task(
                    run, state, started, (self._trace_id, self._run.run_id, self._run.attempt)
                )
            )

    def ended(self, run: TracedRun, state: StateReport) -> None:
        """Makes the span of an attempt, and after the last one that of the run."""
        from towpath._tracing import final_spans  # noqa: PLC0415 - loads OpenTelemetry's SDK

        if run is not self._run or not self._is_ours:
            return
        ending = final_spans.Ending(
            run=run,
            state=state,
            trace_id=self._trace_id,
            parent_span_id=self._parent.span_id if self._parent else None,
            links=self._links,
            began=_due(run),
            started=self._started,
            sampled=self.sampled,
        )
        ending.emit(self.tracer, self._failed)


def _due(run: TracedRun) -> float:
    """Returns when a dispatched run was due, as its worker says; the creation of any other run."""
    if os.environ.get("TOWPATH_RUN_ID") != run.run_id:
        return run.created
    try:
        return min(run.created, float(os.environ.get("TOWPATH_RUN_DUE", "")))
    except ValueError:
        return run.created


def _caller() -> SpanContext | None:
    """Returns the span that the run begins in, here or in the process that started this one."""
    current = trace.get_current_span().get_span_context()
    if current.is_valid:
        return current
    carrier = Carrier.parse(os.environ.get("TRACEPARENT", ""))
    if carrier is None:
        return None
    return remote_span(carrier)


def below_root(tracer: Tracer, run_id: str, traceparent: str) -> Context:
    """Returns the context of spans below the root of a dispatched run, sampled as that will be.

    Args:
        tracer: Tracer of OpenTelemetry's SDK.
        run_id: The run.
        traceparent: Header kept with the run; empty for none.
    """
    place = RootPlace.of(run_id, traceparent)
    flags = TraceFlags(int(place.sampled))
    above = None
    if place.parent_span_id is not None:
        above = SpanContext(place.trace_id, place.parent_span_id, is_remote=True, trace_flags=flags)
    sampled, state = _asked(tracer, names.RUN, {}, place.trace_id, above, [])
    root = SpanContext(
        place.trace_id,
        place.span_id,
        is_remote=True,
        trace_flags=TraceFlags(int(sampled)),
        trace_state=state,
    )
    return trace.set_span_in_context(NonRecordingSpan(root), contexts.Context())


def remote_span(carrier: Carrier) -> SpanContext:
    """Returns the context of a span of another process, or of one that is made at its end."""
    return SpanContext(
        carrier.trace_id,
        carrier.span_id,
        is_remote=True,
        trace_flags=TraceFlags(int(carrier.sampled)),
    )


def _asked(
    tracer: Any,
    name: str,
    attributes: Mapping[str, str],
    trace_id: int,
    parent: SpanContext | None,
    links: list[Link],
) -> tuple[bool, TraceState | None]:
    """Returns whether the sampler keeps the run, and the trace state that it sets."""
    sampler = getattr(tracer, "sampler", None)
    if sampler is None:
        return True, None
    context = trace.set_span_in_context(NonRecordingSpan(parent)) if parent else contexts.Context()
    result = sampler.should_sample(
        context,
        trace_id,
        name,
        kind=SpanKind.SERVER,
        attributes=attributes,
        links=links,
    )
    return result.decision.is_sampled(), result.trace_state
