"""Ids that follow from a run's, and the header that carries them."""

from __future__ import annotations

import uuid

import pytest
import uuid_utils
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from towpath._telemetry.ids import (
    Carrier,
    RootPlace,
    attempt_span_id,
    root_span_id,
    trace_id_of,
)

IDS = st.uuids().map(str)
RUNS = 4000
ARABIC_ONE = "\N{ARABIC-INDIC DIGIT ONE}"


@given(IDS, st.integers(1, 1000))
def test_ids_are_the_same_everywhere_and_differ_from_each_other(run_id: str, attempt: int) -> None:
    spans = {root_span_id(run_id), attempt_span_id(run_id, attempt)}
    spans.add(attempt_span_id(run_id, attempt + 1))
    assert len(spans) == 3
    assert all(0 < span < 2**64 for span in spans)
    assert 0 < trace_id_of(run_id) < 2**128
    assert trace_id_of(run_id) == trace_id_of(str(uuid.UUID(run_id)))


@pytest.mark.parametrize("ratio", [0.1, 0.5, 0.75])
def test_a_ratio_sampler_takes_its_share_of_runs(ratio: float) -> None:
    sampler = TraceIdRatioBased(ratio)
    ids = (trace_id_of(str(uuid_utils.uuid7())) for _ in range(RUNS))
    taken = sum(sampler.should_sample(None, i, "").decision.is_sampled() for i in ids)
    assert ratio - 0.04 < taken / RUNS < ratio + 0.04


@given(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.booleans())
def test_a_carrier_is_read_as_it_was_written(trace_id: int, span_id: int, sampled: bool) -> None:
    carrier = Carrier(trace_id=trace_id, span_id=span_id, sampled=sampled)
    assert Carrier.parse(carrier.traceparent) == carrier


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00",
        f"00-{'0' * 32}-{'1' * 16}-01",
        f"00-{'1' * 32}-{'0' * 16}-01",
        f"01-{'1' * 32}-{'1' * 16}-01",
        f"00-{'G' * 32}-{'1' * 16}-01",
        f"00-{'A' * 32}-{'1' * 16}-01",
        f"00-{'1' * 32}-{'1' * 16}-01\n",
        f"00-{'1' * 32}-{'1' * 16}-01-more",
        f"00-{ARABIC_ONE * 32}-{'1' * 16}-01",
    ],
)
def test_what_is_no_header_is_ignored(text: str) -> None:
    assert Carrier.parse(text) is None


@given(st.text(max_size=60))
def test_no_text_makes_reading_fail(text: str) -> None:
    carrier = Carrier.parse(text)
    assert carrier is None or carrier.traceparent[:52] == text[:52]


def test_unknown_flags_are_passed_over() -> None:
    carrier = Carrier.parse(f"00-{'1' * 32}-{'1' * 16}-03")
    assert carrier is not None
    assert carrier.sampled


@given(IDS)
def test_a_dispatched_run_without_a_caller_is_a_root_of_its_own(run_id: str) -> None:
    place = RootPlace.of(run_id, "")
    assert (place.trace_id, place.span_id) == (trace_id_of(run_id), root_span_id(run_id))
    assert (place.parent_span_id, place.sampled) == (None, True)


@given(IDS, st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.booleans())
def test_a_dispatched_run_is_below_the_span_that_it_was_created_in(
    run_id: str, trace_id: int, span_id: int, sampled: bool
) -> None:
    caller = Carrier(trace_id=trace_id, span_id=span_id, sampled=sampled)
    place = RootPlace.of(run_id, caller.traceparent)
    assert (place.trace_id, place.sampled) == (trace_id, sampled)
    assert (place.span_id, place.parent_span_id) == (root_span_id(run_id), span_id)
    own = Carrier(trace_id=trace_id, span_id=root_span_id(run_id), sampled=sampled)
    assert RootPlace.of(run_id, own.traceparent).parent_span_id is None
