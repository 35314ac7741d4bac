"""Spans that were recorded, as a tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

Tree = list[tuple[str, "Tree"]]


class Recorded:
    """A provider of its own, and what it has recorded."""

    def __init__(self, *, ratio: float = 1.0) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(sampler=ParentBased(TraceIdRatioBased(ratio)))
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = self.provider.get_tracer("towpath")

    @property
    def spans(self) -> list[ReadableSpan]:
        """All, in the order of their starts."""
        return sorted(self._exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    def one(self, name: str, **attributes: Any) -> ReadableSpan:
        """The one span of a name, and of attributes where there are several."""
        found = [span for span in self.named(name) if attributes.items() <= _of(span).items()]
        assert len(found) == 1, (name, attributes, [span.name for span in self.spans])
        return found[0]

    def named(self, name: str) -> list[ReadableSpan]:
        """The spans of a name."""
        return [span for span in self.spans if span.name == name]

    def tree(self) -> Tree:
        """All spans by name, each with those below it, in order of their names."""
        known = {span.context.span_id for span in self.spans if span.context}
        roots = [s for s in self.spans if s.parent is None or s.parent.span_id not in known]
        return sorted(self._branch(span) for span in roots)

    def _branch(self, span: ReadableSpan) -> tuple[str, Tree]:
        below = [s for s in self.spans if s.parent and s.parent.span_id == id_of(span)]
        return span.name, sorted(self._branch(child) for child in below)


def id_of(span: ReadableSpan) -> int:
    """A span's id."""
    assert span.context is not None
    return span.context.span_id


def links_of(span: ReadableSpan) -> list[tuple[str, int]]:
    """Types of a span's links, and what they link to."""
    return [
        (str((link.attributes or {})["towpath.link.type"]), link.context.span_id)
        for link in span.links
    ]


def _of(span: ReadableSpan) -> dict[str, Any]:
    attributes = dict(span.attributes or {})
    return {key.replace(".", "_"): value for key, value in attributes.items()}
