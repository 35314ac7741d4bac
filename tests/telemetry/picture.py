"""Draws the trace of the example as a collector received it: `poe trace-picture`."""

from __future__ import annotations

import tempfile
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from tests.telemetry.documented import PAGE
from tests.telemetry.receiver import Receiver
from tests.telemetry.running import run_pipeline
from tests.telemetry.serving import serving
from tests.telemetry.test_golden import UPDATES_OF_ETL, orchestrated, trace_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.telemetry.receiver import Span

TARGET = PAGE.parent / "observability" / "trace.svg"
ROW, INDENT, LEFT, WIDTH = 19, 14, 300, 620
COLOURS = {"run": "#4468b1", "wait": "#c9c9c9", "service": "#7fb28a", "users": "#b58ad6"}
LEGEND = {
    "run": "runs and attempts",
    "wait": "waiting",
    "users": "the user's own",
    "service": "the service",
}
ERROR = "#c0392b"


def main() -> None:
    """Runs the example, and writes the picture."""
    with Receiver() as receiver, tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with serving(home, receiver.environment):
            run_pipeline("etl", home, receiver.environment)
            receiver.wait_for(
                lambda got: orchestrated(got, "RUN etl") >= UPDATES_OF_ETL, "word of all updates"
            )
        TARGET.write_text(drawn(trace_of(receiver, "RUN etl")))
    print(f"drawn: {TARGET.name}")


def drawn(spans: Sequence[Span]) -> str:
    """The spans of a trace, as SVG."""
    rows = list(_rows(spans))
    first, last = min(span.start for span in spans), max(span.end for span in spans)
    height = ROW * (len(rows) + 3)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 90} {height}">',
        '<g font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for number, (span, depth) in enumerate(rows):
        parts += _bar(span, depth, ROW * (number + 1), first, WIDTH / (last - first))
    for number, (sort, text) in enumerate(LEGEND.items()):
        x, y = 8 + number * 170, height - ROW
        parts.append(f'<rect x="{x}" y="{y}" width="12" height="12" fill="{COLOURS[sort]}"/>')
        parts.append(f'<text x="{x + 18}" y="{y + 10}" fill="#222">{text}</text>')
    return "\n".join([*parts, "</g></svg>\n"])


def _bar(span: Span, depth: int, y: int, first: int, scale: float) -> Iterator[str]:
    x = LEFT + (span.start - first) * scale
    width = max(2.0, (span.end - span.start) * scale)
    failed = span.status == "ERROR"
    stroke = f' stroke="{ERROR}" stroke-width="2"' if failed else ""
    fill = ERROR if failed else "#222"
    yield f'<text x="{8 + depth * INDENT}" y="{y + 13}" fill="{fill}">{escape(span.name)}</text>'
    yield (
        f'<rect x="{x:.1f}" y="{y + 3}" width="{width:.1f}" height="{ROW - 7}"'
        f' fill="{COLOURS[_sort(span)]}"{stroke}/>'
    )
    yield (
        f'<text x="{x + width + 5:.1f}" y="{y + 13}" fill="#777" font-size="10">'
        f"{(span.end - span.start) / 1e6:.1f} ms</text>"
    )


def _rows(spans: Sequence[Span]) -> Iterator[tuple[Span, int]]:
    known = {span.span_id for span in spans}

    def below(parent: str, depth: int) -> Iterator[tuple[Span, int]]:
        found = [s for s in spans if (s.parent_id if s.parent_id in known else "") == parent]
        for span in sorted(found, key=lambda span: span.start):
            yield span, depth
            yield from below(span.span_id, depth + 1)

    yield from below("", 0)


def _sort(span: Span) -> str:
    if span.scope == "towpath.service":
        return "service"
    if span.name.startswith("wait "):
        return "wait"
    return "run" if span.scope == "towpath" else "users"


if __name__ == "__main__":
    main()
