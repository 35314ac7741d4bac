"""The spans of a run's attempts, and of the waits between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.trace import Link, Status, StatusCode

from towpath._state_type import TERMINAL_STATES, StateType
from towpath._telemetry import names
from towpath._telemetry.guarded import log_once
from towpath._tracing.failure_text import error_of, error_type

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span

    from towpath._delivery.reports import FailureReport, StateReport
    from towpath._runs.trace import TracedRun
    from towpath._tracing.places import Place

VISIBLE_WAIT_SECONDS: Final = 0.01
"""Shorter waits get no span, since it would cost more than it is worth."""


class AttemptSpans:
    """The spans of one run's attempts; each is the parent of the spans that its attempt begins."""

    def __init__(self, run: TracedRun, place: Place) -> None:
        """Begins no span yet.

        Args:
            run: The run.
            place: Its place in the trace.
        """
        self._run = run
        self._place = place
        self._clock = run.clock
        self._span: Span | None = None
        self._within: Context = place.context
        self._failed_at = self._started = 0.0
        self.traceparent = ""
        """The newest span's `traceparent` for reports; empty when it isn't recorded."""

    def begin(self) -> None:
        """Begins the first attempt's span, after the spans of the run's waits.

        A span that has begun goes on.
        """
        if self._span is None:
            self._open()

    def again(self) -> None:
        """Begins the next attempt's span, and makes one for the wait between the two."""
        self._open(self._run.attempt + 1)

    def ended(self, state: StateReport, *, cached: bool = False) -> None:
        """Ends the span when a state ends the attempt.

        Args:
            state: The state that the run has entered; a span goes on in RUNNING.
            cached: Whether a cached result was used, and the function didn't run.
        """
        if state.state is StateType.RETRYING or state.state in TERMINAL_STATES:
            self._close(state, cached=cached)

    def enter(self) -> object:
        """Makes the attempt's span current; returns a token for `leave`."""
        return contexts.attach(self._within)

    def leave(self, token: Any) -> None:
        """Restores the span that was current before `enter`."""
        contexts.detach(token)

    def _open(self, attempt: int = 1) -> None:
        self._started = self._clock.time()
        try:
            self._begin_span(attempt, self._started)
        except Exception:  # noqa: BLE001 - a sampler or processor may be anybody's
            log_once("spans")

    def _begin_span(self, attempt: int, now: float) -> None:
        run = self._run
        parent = self._place.root.parent(run, self._place.context)
        attributes = self._attributes(attempt)
        if attempt > 1:
            self._tell_wait(names.WAIT_BACK_OFF, self._failed_at, now, parent)
        elif run.submitted:
            ready = self._place.ready or run.created
            self._tell_wait(names.WAIT_DEPENDENCIES, run.created, ready, parent)
            # A long queue would add a span for each of its tasks, and so hide the others.
            if now - ready >= VISIBLE_WAIT_SECONDS:
                attributes[names.WAIT_SLOT_SECONDS] = now - ready
        if run.kind == "flow" and attempt == 1:
            self._started = run.created
        self._span = self._place.root.tracer.start_span(
            f"{run.kind} {run.owner.name}",
            context=parent,
            attributes=attributes,
            links=self._links(attempt),
            start_time=_ns(self._started),
        )
        self._place.last = self._span.get_span_context()
        self.traceparent = self._place.root.traceparent(self._place.last)
        self._within = trace.set_span_in_context(self._span, parent)

    def _close(self, state: StateReport, *, cached: bool = False) -> None:
        span, self._span = self._span, None
        self._failed_at = state.time
        try:
            self._end_span(span, state, cached=cached)
        except Exception:  # noqa: BLE001 - as above
            log_once("spans")

    def _end_span(self, span: Span | None, state: StateReport, *, cached: bool) -> None:
        wrong = error_of(state)
        if span is not None and span.is_recording():
            result = names.TASK_RESULT if self._run.kind == "task" else names.PIPELINE_RESULT
            span.set_attribute(result, "skip" if cached else _result(state))
            if state.state is not StateType.COMPLETED:
                span.set_attribute(names.RUN_STATE, state.state.value)
            if wrong is not None:
                span.set_attribute(names.CODE_FUNCTION, _place_of(self._run.owner))
                span.set_attribute(names.ERROR_TYPE, error_type(state))
                span.set_status(Status(StatusCode.ERROR, wrong))
                _add_exception(span, state)
        if span is not None:
            # A skipped run's state is older than its span, which begins and ends at once.
            span.end(_ns(max(state.time, self._started)))
        root = self._place.root
        if wrong is not None and not root.sampled and state.state in TERMINAL_STATES:
            root.keep(self._run, state, self._started)
        root.ended(self._run, state)

    def _tell_wait(self, reason: str, began: float, ended: float, parent: Context) -> None:
        if ended - began < VISIBLE_WAIT_SECONDS:
            return
        run = self._run
        self._place.root.tracer.start_span(
            f"wait {reason}",
            context=parent,
            attributes={
                names.WAIT_REASON: reason,
                names.RUN_ID: run.run_id,
                names.RUN_NAME: run.name,
            },
            start_time=_ns(began),
        ).end(_ns(ended))

    def _attributes(self, attempt: int) -> dict[str, Any]:
        run = self._run
        owner = run.owner
        # Each attribute costs some five microseconds: derivable ones are left out.
        attributes: dict[str, Any]
        if run.kind == "task":
            attributes = {names.TASK_NAME: owner.name, names.TASK_RUN_ID: run.run_id}
        else:
            attributes = {
                names.PIPELINE_NAME: owner.name,
                names.PIPELINE_RUN_ID: run.run_id,
                names.CODE_FUNCTION: _place_of(owner),
            }
        if run.name != owner.name:
            attributes[names.RUN_NAME] = run.name
        if attempt > 1:
            attributes[names.ATTEMPT] = attempt
        if run.mapped:
            attributes[names.MAP_INDEX] = run.index
        return attributes

    def _links(self, attempt: int) -> list[Link]:
        if attempt > 1 and self._place.last is not None:
            previous = {names.LINK_TYPE: names.LINK_PREVIOUS_ATTEMPT}
            return [Link(self._place.last, previous)]
        return self._place.links() if self._place.upstream else []


def _place_of(owner: Any) -> str:
    """Returns the qualified name of a flow's or task's function."""
    return f"{owner.__module__}.{owner.__qualname__}"


def _result(state: StateReport) -> str:
    return names.RESULTS.get(state.state.name, "failure")


def _add_exception(span: Span, state: StateReport) -> None:
    if state.failure is not None:
        span.add_event(
            "exception",
            {
                "exception.type": error_type(state),
                "exception.message": state.failure.message,
                "exception.stacktrace": state.failure.stack_trace,
            },
            timestamp=_ns(state.time),
        )


def tell_exception(span: Span, failure: FailureReport) -> None:
    """Adds an exception to a span, in its reported form."""
    kind = failure.type.removeprefix("builtins.")
    span.set_status(Status(StatusCode.ERROR, f"{kind}: {failure.message}"))
    span.add_event(
        "exception",
        {
            "exception.type": kind,
            "exception.message": failure.message,
            "exception.stacktrace": failure.stack_trace,
        },
    )


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)
