"""Limits on the rate: never more than a bucket of tokens lets through, and never later."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from towpath_service.limits.domain.limits import Limit, LimitSettings
from towpath_service.limits.domain.names import LimitKey
from towpath_service.limits.domain.rates import earliest_us, tat_after

KEY = LimitKey("tenant", "default", "api")


def limit_of(burst: int, per_second: int) -> Limit:
    settings = LimitSettings(slots=burst, refill_nano=per_second * 10**9)
    return Limit(key=KEY, settings=settings, created_us=0, updated_us=0)


@given(
    burst=st.integers(1, 5),
    per_second=st.sampled_from((1, 2, 4, 5, 10)),
    calls=st.lists(st.tuples(st.integers(0, 3_000_000), st.integers(1, 5)), max_size=20),
)
def test_times_are_those_of_a_bucket_of_tokens(
    burst: int, per_second: int, calls: list[tuple[int, int]]
) -> None:
    limit = limit_of(burst, per_second)
    tokens, at_us, now_us = Fraction(burst), 0, 0
    for pause_us, wanted in calls:
        now_us += pause_us
        slots = min(wanted, burst)
        start_us = max(now_us, at_us)
        tokens = min(Fraction(burst), tokens + Fraction((start_us - at_us) * per_second, 10**6))
        missing = max(Fraction(0), slots - tokens)
        expected_us = start_us + missing * 10**6 / per_second
        go_us = earliest_us(limit, slots, now_us)
        # The bucket serves in the order of calls; a reservation may go on earlier, within the rate.
        assert go_us <= expected_us
        limit = replace(limit, tat_us=tat_after(limit, slots, go_us))
        tokens, at_us = tokens + missing - slots, int(expected_us)
        # The time when the bucket is full again is the same, which is what bounds the rate.
        full_us = at_us + (burst - tokens) * 10**6 / per_second
        assert limit.tat_us == full_us


def test_a_template_is_found_by_its_prefix() -> None:
    key = LimitKey("tenant", "default", "tag:customer:42")
    assert [it.limit_id for it in key.templates] == ["tag:customer:*", "tag:*"]
    assert LimitKey("tenant", "default", "db").templates == ()
