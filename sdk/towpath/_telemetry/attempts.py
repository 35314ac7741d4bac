"""The attempts of a run, each within a span of its own; the waits between them have theirs."""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.trace import Link, Status, StatusCode

from towpath._delivery.reports import StateReport
from towpath._engine.attempts import Attempts
from towpath._state_type import TERMINAL_STATES, StateType
from towpath._telemetry import names
from towpath._telemetry.failure_text import error_of, error_type
from towpath._telemetry.guarded import log_once

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    from opentelemetry.context import Context
    from opentelemetry.trace import Span

    from towpath._delivery.reports import FailureReport
    from towpath._engine.policy import Policy
    from towpath._telemetry.runs import RunTrace
    from towpath.context import RunContext
    from towpath.states import State

VISIBLE_WAIT_SECONDS: Final = 0.01
"""Shorter waits are not told of: it would cost more than it tells."""


class TracedAttempts(Attempts):
    """Drives one run, and makes its spans."""

    def __init__(self, context: RunContext, policy: Policy, owner: Any, **options: Any) -> None:
        """As `Attempts`; begins no span yet."""
        super().__init__(context, policy, owner, **options)
        assert context.trace is not None
        self._trace: RunTrace = context.trace
        self._span: Span | None = None
        self._within: Context = self._trace.context
        self._failed_at = self._started = 0.0

    def run(self, body: Callable[[], Any]) -> State[Any]:
        """Calls a body until it returns or is given up, each time within another span."""

        def within() -> Any:
            token = contexts.attach(self._within)
            try:
                return body()
            finally:
                contexts.detach(token)

        return super().run(within)

    async def run_async(self, body: Callable[[], Awaitable[Any]]) -> State[Any]:
        """Awaits a body until it returns or is given up, each time within another span."""

        async def within() -> Any:
            token = contexts.attach(self._within)
            try:
                return await body()
            finally:
                contexts.detach(token)

        return await super().run_async(within)

    @contextmanager
    def around_step(self) -> Generator[None]:
        """Around each step of a generator."""
        token = contexts.attach(self._within)
        try:
            yield
        finally:
            contexts.detach(token)

    def begin(self) -> None:
        """Begins the span of an attempt, after those of what the run waited for."""
        if self._span is None:
            self._open()
        super().begin()

    def again(self) -> None:
        """Begins the next attempt, and tells of the time between the two."""
        self._open(self._context.attempt + 1)
        super().again()

    def found(self, value: Any) -> State[Any]:
        """Ends the run with a result that was there: its span is as long as looking for it."""
        self._open()
        self._close(StateReport(state=StateType.COMPLETED, time=self._clock.time()), cached=True)
        return super().found(value)

    def skipped(self, state: StateReport) -> None:
        """Makes the span of a run that will never begin."""
        self._open()
        self._close(state)

    def _report(self, state: StateReport) -> None:
        if self._span is None:
            self._open()
        super()._report(state)
        if state.state is StateType.RETRYING or state.state in TERMINAL_STATES:
            self._close(state)

    def _open(self, attempt: int = 1) -> None:
        self._started = self._clock.time()
        try:
            self._begin_span(attempt, self._started)
        except Exception:  # noqa: BLE001 - a sampler or processor may be anybody's
            log_once("spans")

    def _begin_span(self, attempt: int, now: float) -> None:
        run = self._context
        parent = self._trace.root.parent(run, self._trace.context)
        attributes = self._attributes(attempt)
        if attempt > 1:
            self._tell_wait(names.WAIT_BACK_OFF, self._failed_at, now, parent)
        elif run.submitted:
            ready = self._trace.ready or run.created
            self._tell_wait(names.WAIT_DEPENDENCIES, run.created, ready, parent)
            # As long as a queue is, a span for each of its tasks would drown the others.
            if now - ready >= VISIBLE_WAIT_SECONDS:
                attributes[names.WAIT_SLOT_SECONDS] = now - ready
        if run.kind == "flow" and attempt == 1:
            self._started = run.created
        self._span = self._trace.root.tracer.start_span(
            f"{run.kind} {run.owner.name}",
            context=parent,
            attributes=attributes,
            links=self._links(attempt),
            start_time=_ns(self._started),
        )
        self._trace.last = self._span.get_span_context()
        self._traceparent = self._trace.root.traceparent(self._trace.last)
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
            result = names.TASK_RESULT if self._context.kind == "task" else names.PIPELINE_RESULT
            span.set_attribute(result, "skip" if cached else _result(state))
            if state.state is not StateType.COMPLETED:
                span.set_attribute(names.RUN_STATE, state.state.value)
            if wrong is not None:
                span.set_attribute(names.CODE_FUNCTION, _place_of(self._owner))
                span.set_attribute(names.ERROR_TYPE, error_type(state))
                span.set_status(Status(StatusCode.ERROR, wrong))
                _add_exception(span, state)
        if span is not None:
            # A skipped run's state is older than its span, which is made in one go.
            span.end(_ns(max(state.time, self._started)))
        root = self._trace.root
        if wrong is not None and not root.sampled and state.state in TERMINAL_STATES:
            root.keep(self._context, state, self._started)
        root.ended(self._context, state)

    def _tell_wait(self, reason: str, began: float, ended: float, parent: Context) -> None:
        if ended - began < VISIBLE_WAIT_SECONDS:
            return
        run = self._context
        self._trace.root.tracer.start_span(
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
        run = self._context
        # Each costs five microseconds or so: what follows from the others is left out.
        attributes: dict[str, Any]
        if run.kind == "task":
            attributes = {names.TASK_NAME: self._owner.name, names.TASK_RUN_ID: run.run_id}
        else:
            attributes = {
                names.PIPELINE_NAME: self._owner.name,
                names.PIPELINE_RUN_ID: run.run_id,
                names.CODE_FUNCTION: _place_of(self._owner),
            }
        if run.name != self._owner.name:
            attributes[names.RUN_NAME] = run.name
        if attempt > 1:
            attributes[names.ATTEMPT] = attempt
        if run.mapped:
            attributes[names.MAP_INDEX] = run.index
        return attributes

    def _links(self, attempt: int) -> list[Link]:
        if attempt > 1 and self._trace.last is not None:
            previous = {names.LINK_TYPE: names.LINK_PREVIOUS_ATTEMPT}
            return [Link(self._trace.last, previous)]
        return self._trace.upstream() if self._trace.waits else []


def _place_of(owner: Any) -> str:
    """The function of a flow or task."""
    function = inspect.unwrap(owner.fn)
    return f"{function.__module__}.{getattr(function, '__qualname__', owner.name)}"


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
    """Ends a span's code with an exception, as it is reported."""
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
