"""A trace as text that is the same for each run of the same pipeline."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.telemetry.receiver import Span

# What differs from run to run, or tells how busy the machine was.
VARYING = {
    "cicd.pipeline.run.id",
    "cicd.pipeline.task.run.id",
    "towpath.run.id",
    "towpath.wait.slot_seconds",
    "process.pid",
}
PROCESS = re.compile(r"its process \d+ on \S+")
BATCHES = "towpath.api.v1.IngestService/"


def described(spans: Sequence[Span], all_spans: Sequence[Span]) -> str:
    """A line a span, each with those below it, in order of what they say.

    Args:
        spans: Of one trace.
        all_spans: Those that links may lead to.
    """
    names = {span.span_id: span.name for span in all_spans}
    known = {span.span_id for span in spans}

    def lines(parent: str, depth: int) -> list[list[str]]:
        found = []
        updates = 0
        for span in spans:
            above = span.parent_id if span.parent_id in known else ""
            if above == parent and span.name == "orchestrate":
                assert span.kind == "INTERNAL"
                assert [_target(names[link.span_id]) for link in span.links] == ["a batch"]
                updates += updates_of(span)
            elif above == parent:
                below = sorted(lines(span.span_id, depth + 1))
                found.append(
                    [_line(span, names, depth), *(text for part in below for text in part)]
                )
        # Which updates come in one batch depends on how fast the stream was open.
        return found + ([[f"{'  ' * depth}orchestrate: {updates} updates"]] if updates else [])

    return "\n".join(text for part in sorted(lines("", 0)) for text in part) + "\n"


def updates_of(span: Span) -> int:
    """How many updates a span of the service is about."""
    return int(span.attributes.get("towpath.batch.updates", 1))


def _line(span: Span, names: dict[str, str], depth: int) -> str:
    status = (
        ""
        if span.status == "UNSET"
        else f" {span.status}({PROCESS.sub('its process', span.message)})"
    )
    attributes = {k: v for k, v in sorted(span.attributes.items()) if k not in VARYING}
    told = " ".join(f"{name}={value!r}" for name, value in attributes.items())
    links = "".join(
        f" -> {link.attributes['towpath.link.type']}: {_target(names.get(link.span_id, '?'))}"
        for link in span.links
    )
    events = "".join(f" !{name} {event.get('exception.type')}" for name, event in span.events)
    return f"{'  ' * depth}{span.name} [{span.kind}]{status} {told}{events}{links}".rstrip()


def _target(name: str) -> str:
    """Which call a batch came by depends on how fast the stream was open."""
    return "a batch" if name.startswith(BATCHES) else name
