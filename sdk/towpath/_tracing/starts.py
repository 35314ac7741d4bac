"""The span of a run's start at its worker, within the trace of the run."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from towpath._telemetry import names, switch
from towpath._telemetry.guarded import guarded

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from opentelemetry.trace import Span, Tracer


@contextmanager
def starting(run_id: str, traceparent: str, attributes: Mapping[str, str | int]) -> Generator[None]:
    """Around the start of a dispatched run: makes its span, if an exporter gets that.

    Args:
        run_id: The run.
        traceparent: Header kept with the run; empty for none.
        attributes: Further attributes of the span.
    """
    span: Span | None = None
    with guarded("starts of runs"):
        tracer = switch.current_tracer()
        # Another vendor's provider makes no root that the span could be below.
        if tracer is not None and hasattr(tracer, "span_processor"):
            span = _begin(tracer, run_id, traceparent, attributes)
    try:
        yield
    except Exception as error:
        if span is not None:
            span.set_attribute(names.ERROR_TYPE, type(error).__name__)
        raise
    finally:
        if span is not None:
            span.end()


def _begin(
    tracer: Tracer, run_id: str, traceparent: str, attributes: Mapping[str, str | int]
) -> Span:
    from towpath._tracing.roots import below_root  # noqa: PLC0415 - loads OpenTelemetry's API

    return tracer.start_span(
        names.START_SPAN, context=below_root(tracer, run_id, traceparent), attributes=attributes
    )
