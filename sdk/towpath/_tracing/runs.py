"""The trace of each run: its place, and its spans."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan

from towpath._runs.failures import describe
from towpath._telemetry import names
from towpath._telemetry.ids import Carrier
from towpath._tracing.attempts import AttemptSpans, tell_exception
from towpath._tracing.places import Place, RootTrace
from towpath._tracing.roots import OwnedTrace, remote_span

if TYPE_CHECKING:
    from collections.abc import Generator

    from opentelemetry.trace import Tracer

    from towpath._delivery.reports import StateReport
    from towpath._runs.trace import TracedRun


class RunTrace(Place):
    """The trace of one run, as the engine uses it."""

    __slots__ = ()

    def child(self) -> RunTrace:
        """Returns the trace of a run that begins here."""
        return RunTrace(self.root, contexts.get_current())

    def attempts(self, run: TracedRun) -> AttemptSpans:
        """The spans of the run's attempts; begins none yet."""
        return AttemptSpans(run, self)

    @staticmethod
    def ids_for_logs() -> tuple[str, str]:
        """Returns the ids of the current trace and span in hexadecimal; empty without one."""
        span = trace.get_current_span().get_span_context()
        if not span.is_valid:
            return "", ""
        return f"{span.trace_id:032x}", f"{span.span_id:016x}"

    @contextmanager
    def executing(self, run: TracedRun) -> Generator[None]:
        """Around a run's function in a process that was only given it to execute."""
        with self.root.tracer.start_as_current_span(
            f"execute {run.owner.name}",
            context=self.context,
            attributes={
                names.TASK_NAME: run.owner.name,
                names.RUN_ID: run.run_id,
                names.ATTEMPT: run.attempt,
                names.PROCESS_ID: os.getpid(),
            },
            # OpenTelemetry would record the exception without redaction.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except Exception as error:
                tell_exception(span, describe(error, run.secrets.text))
                raise

    def skipped(self, run: TracedRun, state: StateReport) -> None:
        """Makes the span of a run that will never begin."""
        spans = self.attempts(run)
        spans.begin()
        spans.ended(state)


def trace_of_root(run: TracedRun, tracer: Tracer, *, join: bool) -> RunTrace:
    """Returns the trace of a root run, which makes its root if the tracer takes finished spans.

    With another vendor's provider the flow's own span is the root.
    """
    if run.kind == "flow" and hasattr(tracer, "span_processor"):
        root = OwnedTrace(tracer, run, join=join)
        around = trace.set_span_in_context(NonRecordingSpan(remote_span(root.carrier)))
        return RunTrace(root, around, stored=root.carrier.traceparent)
    return RunTrace(RootTrace(tracer, sampled=True), contexts.get_current())


def trace_of_adopted(traceparent: str, tracer: Tracer | None) -> RunTrace | None:
    """The trace of a run that another process began; without a tracer it is passed on only."""
    carrier = Carrier.parse(traceparent)
    if carrier is None:
        return None
    around = trace.set_span_in_context(NonRecordingSpan(remote_span(carrier)))
    root = RootTrace(tracer or trace.NoOpTracer(), sampled=carrier.sampled)
    return RunTrace(root, around)
