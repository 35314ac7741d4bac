"""Which traces the service takes part in, whatever callers say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from towpath._telemetry.ids import Carrier
from towpath_service.telemetry.sampling import ServiceSampler, ratio_from_environment

IDS = st.integers(1, 2**128 - 1)
RATIOS = st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])


def below(trace_id: int, *, sampled: bool, remote: bool) -> trace.Context:
    parent = SpanContext(trace_id, 1, is_remote=remote, trace_flags=TraceFlags(int(sampled)))
    return trace.set_span_in_context(NonRecordingSpan(parent))


@given(IDS, RATIOS, st.booleans())
def test_a_callers_flag_changes_nothing(trace_id: int, ratio: float, sampled: bool) -> None:
    sampler = ServiceSampler(ratio)
    context = below(trace_id, sampled=sampled, remote=True)
    taken = sampler.should_sample(context, trace_id, "x").decision.is_sampled()
    assert (
        taken == TraceIdRatioBased(ratio).should_sample(None, trace_id, "x").decision.is_sampled()
    )
    assert taken == sampler.takes(trace_id)
    assert taken == sampler.takes_text(
        Carrier(trace_id=trace_id, span_id=1, sampled=sampled).traceparent
    )


@given(IDS, RATIOS, st.booleans())
def test_what_is_below_a_span_of_ours_goes_with_it(
    trace_id: int, ratio: float, sampled: bool
) -> None:
    context = below(trace_id, sampled=sampled, remote=False)
    result = ServiceSampler(ratio).should_sample(context, trace_id, "x")
    assert result.decision.is_sampled() == sampled


@given(st.text(max_size=60))
def test_no_text_of_a_caller_makes_it_fail(text: str) -> None:
    assert ServiceSampler(0.5).takes_text(text) in {True, False}


def test_it_is_a_sampler_of_opentelemetrys() -> None:
    tracer = TracerProvider(sampler=ServiceSampler(1.0)).get_tracer("x")
    with tracer.start_as_current_span("a") as span:
        assert span.is_recording()


@pytest.mark.parametrize(
    ("variables", "ratio"),
    [
        ({}, 1.0),
        ({"OTEL_TRACES_SAMPLER": "always_off"}, 0.0),
        ({"OTEL_TRACES_SAMPLER": "parentbased_always_on"}, 1.0),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25"}, 0.25),
        ({"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "7"}, 1.0),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "a lot"}, 1.0),
    ],
)
def test_the_ratio_is_as_the_standard_variables_say(
    variables: dict[str, str], ratio: float
) -> None:
    assert ratio_from_environment(variables) == ratio
