"""The trace of a root run and of each run within it.

A root run's trace has its root and its attempts made at their end, with ids that follow from the
run's id: whoever ends the run, this process or the service for one that was killed, makes the same
spans. Flows and tasks are recorded spans below them.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    TraceFlags,
    TraceState,
)

from towpath._engine.failures import describe
from towpath._telemetry import names
from towpath._telemetry.attempts import TracedAttempts, tell_exception
from towpath._telemetry.ids import Carrier, attempt_span_id, root_span_id, trace_id_of

if TYPE_CHECKING:
    from collections.abc import Generator

    from opentelemetry.context import Context
    from opentelemetry.trace import Tracer

    from towpath._delivery.reports import StateReport
    from towpath._engine.arguments import Waits
    from towpath._telemetry.synthetic import FinishedSpan
    from towpath.context import RunContext

MOST_LINKS: Final = 32
MOST_KEPT: Final = 32
"""Failed tasks of a run that are told of although the sampler left the run out."""


class RunTrace:
    """Where the spans of one run belong."""

    __slots__ = ("_stored", "context", "last", "ready", "root", "waits")

    attempts = TracedAttempts

    def __init__(self, root: RootTrace, context: Context, *, stored: str = "") -> None:
        """Begins nothing.

        Args:
            root: The trace.
            context: What the run's own spans are children of.
            stored: What to keep with the run, if not that.
        """
        self._stored = stored
        self.root = root
        self.context = context
        self.ready = 0.0
        """When all it waited for had ended, seconds since the Unix epoch; 0 if that was at once."""
        self.last: SpanContext | None = None
        """Its newest span."""
        self.waits: Waits = []

    def child(self) -> RunTrace:
        """The trace of a run that the present code begins."""
        return RunTrace(self.root, contexts.get_current())

    @property
    def traceparent(self) -> str:
        """What is kept with the run: its root, or where it was begun; empty without either."""
        if self._stored:
            return self._stored
        return self.root.traceparent(trace.get_current_span(self.context).get_span_context())

    @property
    def here(self) -> str:
        """The run's newest span, whether it is recorded or not, for another process."""
        span = self.last or trace.get_current_span(self.context).get_span_context()
        return Carrier(
            trace_id=span.trace_id, span_id=span.span_id, sampled=span.trace_flags.sampled
        ).traceparent

    @staticmethod
    def ids_for_logs() -> tuple[str, str]:
        """Trace and span of the present code in hexadecimal digits; empty without one."""
        span = trace.get_current_span().get_span_context()
        if not span.is_valid:
            return "", ""
        return f"{span.trace_id:032x}", f"{span.span_id:016x}"

    @contextmanager
    def executing(self, run: RunContext) -> Generator[None]:
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
            # OpenTelemetry would write the exception down as it is.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except Exception as error:
                tell_exception(span, describe(error, run.secrets.text))
                raise

    def skipped(self, run: RunContext, state: StateReport) -> None:
        """Tells of a run that will never begin."""
        TracedAttempts(run, run.owner.policy, run.owner).skipped(state)

    def upstream(self) -> list[Link]:
        """Links to what the run waited for."""
        known = (future.child.trace for future, _, _ in self.waits)
        found = (one.last for one in known if one is not None)
        seen = [context for context in found if context is not None][:MOST_LINKS]
        return [Link(context, {names.LINK_TYPE: names.LINK_UPSTREAM}) for context in seen]


class RootTrace:
    """The trace of a root run, in the process that runs it."""

    def __init__(self, tracer: Tracer, *, sampled: bool) -> None:
        """Begins nothing."""
        self.tracer = tracer
        self.sampled = sampled
        self._text: tuple[SpanContext, str] = (INVALID_SPAN.get_span_context(), "")

    def traceparent(self, context: SpanContext) -> str:
        """A span as reports tell of it; empty when it isn't recorded."""
        if context is self._text[0]:
            return self._text[1]
        text = ""
        if context.is_valid and context.trace_flags.sampled:
            text = f"00-{context.trace_id:032x}-{context.span_id:016x}-01"
        self._text = (context, text)
        return text

    def parent(self, run: RunContext, context: Context) -> Context:
        """What the next attempt's span of a run is a child of."""
        del run
        return context

    def keep(self, run: RunContext, state: StateReport, started: float) -> None:
        """Takes note of a failure that the sampler left out."""

    def ended(self, run: RunContext, state: StateReport) -> None:
        """Takes note that an attempt of a run has ended, the last one when the state is final."""


class OwnedTrace(RootTrace):
    """The trace of a root run that this process began: it makes the root and the attempts."""

    def __init__(self, tracer: Tracer, run: RunContext, *, join: bool) -> None:
        """Asks the sampler, once for the whole run.

        Args:
            tracer: Of OpenTelemetry's SDK.
            run: The root run.
            join: Whether the run is part of its caller's trace, not only linked to it.
        """
        caller = _caller()
        self._parent = caller if join else None
        self._links: list[Link] = []
        if caller is not None and not join:
            self._links.append(Link(caller, {names.LINK_TYPE: names.LINK_CREATOR}))
        self._trace_id = self._parent.trace_id if self._parent else trace_id_of(run.run_id)
        sampled, self._state = _asked(tracer, run, self._trace_id, self._parent, self._links)
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

    def parent(self, run: RunContext, context: Context) -> Context:
        """The root run's attempts have a span of their own around each."""
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

    def keep(self, run: RunContext, state: StateReport, started: float) -> None:
        """Keeps what is known of a failed task, for when the run fails."""
        from towpath._telemetry import final_spans as endings  # noqa: PLC0415 - needs OpenTelemetry's SDK

        if run is not self._run and len(self._failed) < MOST_KEPT and self._is_ours:
            self._failed.append(
                endings.failed_task(
                    run, state, started, (self._trace_id, self._run.run_id, self._run.attempt)
                )
            )

    def ended(self, run: RunContext, state: StateReport) -> None:
        """Makes the span of an attempt, and after the last one that of the run."""
        from towpath._telemetry import final_spans as endings  # noqa: PLC0415 - needs OpenTelemetry's SDK

        if run is not self._run or not self._is_ours:
            return
        ending = endings.Ending(
            run=run,
            state=state,
            trace_id=self._trace_id,
            parent_span_id=self._parent.span_id if self._parent else None,
            links=self._links,
            started=self._started,
            sampled=self.sampled,
        )
        ending.emit(self.tracer, self._failed)


def trace_of_root(run: RunContext, tracer: Tracer, *, join: bool) -> RunTrace:
    """The trace of a root run; sees to its root if the tracer takes finished spans.

    With another vendor's provider the flow's own span is the root.
    """
    if run.kind == "flow" and hasattr(tracer, "span_processor"):
        root = OwnedTrace(tracer, run, join=join)
        around = trace.set_span_in_context(NonRecordingSpan(_remote(root.carrier)))
        return RunTrace(root, around, stored=root.carrier.traceparent)
    return RunTrace(RootTrace(tracer, sampled=True), contexts.get_current())


def trace_of_adopted(traceparent: str, tracer: Tracer | None) -> RunTrace | None:
    """The trace of a run that another process began; without a tracer it is passed on only."""
    carrier = Carrier.parse(traceparent)
    if carrier is None:
        return None
    around = trace.set_span_in_context(NonRecordingSpan(_remote(carrier)))
    root = RootTrace(tracer or trace.NoOpTracer(), sampled=carrier.sampled)
    return RunTrace(root, around)


def _caller() -> SpanContext | None:
    """The span that the run is begun in, here or in the process that started this one."""
    current = trace.get_current_span().get_span_context()
    if current.is_valid:
        return current
    carrier = Carrier.parse(os.environ.get("TRACEPARENT", ""))
    if carrier is None:
        return None
    return _remote(carrier)


def _remote(carrier: Carrier) -> SpanContext:
    return SpanContext(
        carrier.trace_id,
        carrier.span_id,
        is_remote=True,
        trace_flags=TraceFlags(int(carrier.sampled)),
    )


def _asked(
    tracer: Any, run: RunContext, trace_id: int, parent: SpanContext | None, links: list[Link]
) -> tuple[bool, TraceState | None]:
    """Whether the sampler wants the run, and what it adds to the trace's state."""
    sampler = getattr(tracer, "sampler", None)
    if sampler is None:
        return True, None
    context = trace.set_span_in_context(NonRecordingSpan(parent)) if parent else contexts.Context()
    result = sampler.should_sample(
        context,
        trace_id,
        f"{names.RUN} {run.flow_name}",
        kind=SpanKind.SERVER,
        attributes={names.PIPELINE_NAME: run.flow_name},
        links=links,
    )
    return result.decision.is_sampled(), result.trace_state
