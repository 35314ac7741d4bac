"""The spans that are made at the end: of root runs, their attempts, and kept failures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanKind

from towpath._telemetry import names
from towpath._telemetry.ids import attempt_span_id, root_span_id
from towpath._telemetry.synthetic import FinishedSpan, emit
from towpath._tracing.failure_text import error_of, error_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from opentelemetry.trace import Link

    from towpath._delivery.reports import StateReport
    from towpath._runs.trace import TracedRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The end of a root run's attempt, and of the run when the state is final."""

    run: TracedRun
    state: StateReport
    trace_id: int
    parent_span_id: int | None
    """Id of the caller's span, when the run is part of its trace."""
    links: Sequence[Link]
    began: float
    """Start of the run: when it was due, or its creation if no worker executes it."""
    started: float
    """Start of the attempt."""
    sampled: bool

    def emit(self, tracer: Any, failed: Iterable[FinishedSpan]) -> None:
        """Emits the spans, unless the sampler dropped the run and it didn't fail.

        Args:
            tracer: Tracer that takes them.
            failed: Spans of failed tasks, emitted when the run is kept only for its failure.
        """
        final = self.state.state.name in names.RESULTS
        kept = not self.sampled
        if kept and not (final and self.state.state.name in names.FAILURES):
            return
        extra = {names.SAMPLING: names.KEPT_FAILURE} if kept else {}
        emit(tracer, self._attempt(extra))
        if final:
            emit(tracer, self._root(extra))
        if kept:
            for span in failed:
                emit(tracer, span)

    def _attempt(self, extra: dict[str, Any]) -> FinishedSpan:
        return FinishedSpan(
            name=names.ATTEMPT_SPAN,
            trace_id=self.trace_id,
            span_id=attempt_span_id(self.run.run_id, self.state.attempt),
            parent_span_id=root_span_id(self.run.run_id),
            start_ns=_ns(self.started),
            end_ns=_ns(self.state.time),
            kind=SpanKind.CONSUMER,
            attributes={
                names.PIPELINE_NAME: self.run.flow_name,
                names.ATTEMPT: self.state.attempt,
                **_common(self.run, self.state),
                **extra,
            },
            error=error_of(self.state),
        )

    def _root(self, extra: dict[str, Any]) -> FinishedSpan:
        attributes: dict[str, Any] = {
            names.PIPELINE_NAME: self.run.flow_name,
            names.PIPELINE_ACTION: names.RUN,
            names.PIPELINE_RUN_ID: self.run.run_id,
            names.PIPELINE_RESULT: names.RESULTS[self.state.state.name],
            names.RUN_NAME: self.run.name,
            **_common(self.run, self.state),
            **extra,
        }
        if self.run.tags:
            attributes[names.TAGS] = sorted(self.run.tags)
        return FinishedSpan(
            name=f"{names.RUN} {self.run.flow_name}",
            trace_id=self.trace_id,
            span_id=root_span_id(self.run.run_id),
            parent_span_id=self.parent_span_id,
            start_ns=_ns(self.began),
            end_ns=_ns(self.state.time),
            kind=SpanKind.SERVER,
            attributes=attributes,
            links=self.links,
            error=error_of(self.state),
        )


def failed_task(
    run: TracedRun, state: StateReport, started: float, attempt: tuple[int, str, int]
) -> FinishedSpan:
    """Makes the span of a failed task whose run the sampler dropped.

    Args:
        run: The task's run.
        state: Its final state.
        started: Start of its attempt, seconds since the Unix epoch.
        attempt: Trace, id and attempt of the root run that it is part of.
    """
    trace_id, root_run_id, number = attempt
    return FinishedSpan(
        name=f"{run.kind} {run.owner.name}",
        trace_id=trace_id,
        span_id=attempt_span_id(run.run_id, state.attempt),
        parent_span_id=attempt_span_id(root_run_id, number),
        start_ns=_ns(started),
        end_ns=_ns(state.time),
        attributes={
            names.RUN_NAME: run.name,
            names.SAMPLING: names.KEPT_FAILURE,
            names.ATTEMPT: state.attempt,
            **_common(run, state),
        },
        error=error_of(state),
    )


def _common(run: TracedRun, state: StateReport) -> dict[str, Any]:
    attributes: dict[str, Any] = {names.RUN_ID: run.run_id, names.RUN_STATE: state.state.name}
    if error_of(state) is not None:
        attributes[names.ERROR_TYPE] = error_type(state)
    return attributes


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)
