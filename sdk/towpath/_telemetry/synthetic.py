"""Spans that are made after their end, with ids that are given."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_VERSION: Final = metadata.version("towpath")
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedSpan:
    """A span that has ended, with all its data; times are ns since the Unix epoch."""

    name: str
    trace_id: int
    span_id: int
    parent_span_id: int | None
    start_ns: int
    end_ns: int
    kind: SpanKind = SpanKind.INTERNAL
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    links: Sequence[Link] = ()
    scope: str = "towpath"
    """Name of the instrumentation."""
    error: str | None = None
    """Description of the error; None leaves the status unset."""


def emit(tracer: Any, span: FinishedSpan) -> None:
    """Hands a finished span to the processors of a tracer's provider, as sampled."""
    context = _context(span.trace_id, span.span_id)
    tracer.span_processor.on_end(
        ReadableSpan(
            name=span.name,
            context=context,
            parent=_context(span.trace_id, span.parent_span_id) if span.parent_span_id else None,
            resource=tracer.resource,
            attributes=span.attributes,
            links=span.links,
            kind=span.kind,
            status=Status(StatusCode.ERROR, span.error) if span.error is not None else Status(),
            start_time=span.start_ns,
            end_time=max(span.start_ns, span.end_ns),
            instrumentation_scope=_scope(span.scope),
        )
    )


@cache
def _scope(name: str) -> InstrumentationScope:
    return InstrumentationScope(name, _VERSION)


def _context(trace_id: int, span_id: int) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=_SAMPLED)
