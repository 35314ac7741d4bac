"""The trace of a root run, and the place of each run within it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry import trace
from opentelemetry.trace import INVALID_SPAN, Link

from towpath._telemetry import names
from towpath._telemetry.ids import Carrier

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.context import Context
    from opentelemetry.trace import SpanContext, Tracer

    from towpath._delivery.reports import StateReport
    from towpath._runs.trace import Trace, TracedRun

MOST_LINKS: Final = 32


class Place:
    """The place of one run in its trace."""

    __slots__ = ("_stored", "context", "last", "ready", "root", "upstream")

    def __init__(self, root: RootTrace, context: Context, *, stored: str = "") -> None:
        """Begins nothing.

        Args:
            root: The trace.
            context: Context of the parent of the run's own spans.
            stored: `traceparent` to keep with the run; empty for that of `context`.
        """
        self._stored = stored
        self.root = root
        self.context = context
        self.ready = 0.0
        """End of its last awaited run, seconds since the Unix epoch; 0 if it waited for none."""
        self.last: SpanContext | None = None
        """Its newest span."""
        self.upstream: list[Trace] = []
        """Traces of the runs that it waits for."""

    @property
    def traceparent(self) -> str:
        """Header to keep with the run: of the root, or of the span it began in; may be empty."""
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

    def follow(self, upstream: Iterable[Trace]) -> None:
        """Links the run's first span to the newest spans of the runs that it waits for."""
        self.upstream = list(upstream)

    def links(self) -> list[Link]:
        """Returns links to the runs that this one waited for, at most MOST_LINKS."""
        seen = [
            one.last for one in self.upstream if isinstance(one, Place) and one.last is not None
        ]
        return [
            Link(context, {names.LINK_TYPE: names.LINK_UPSTREAM}) for context in seen[:MOST_LINKS]
        ]


class RootTrace:
    """The trace of a root run, in the process that runs it."""

    def __init__(self, tracer: Tracer, *, sampled: bool) -> None:
        """Begins nothing."""
        self.tracer = tracer
        self.sampled = sampled
        self._text: tuple[SpanContext, str] = (INVALID_SPAN.get_span_context(), "")

    def traceparent(self, context: SpanContext) -> str:
        """Returns a span's `traceparent` for reports; empty when it isn't recorded."""
        if context is self._text[0]:
            return self._text[1]
        text = ""
        if context.is_valid and context.trace_flags.sampled:
            text = f"00-{context.trace_id:032x}-{context.span_id:016x}-01"
        self._text = (context, text)
        return text

    def parent(self, run: TracedRun, context: Context) -> Context:
        """Returns the context of the parent for the span of a run's next attempt."""
        del run
        return context

    def keep(self, run: TracedRun, state: StateReport, started: float) -> None:
        """Notes a failure that the sampler dropped."""

    def ended(self, run: TracedRun, state: StateReport) -> None:
        """Notes the end of a run's attempt, which is the last one when the state is final."""
