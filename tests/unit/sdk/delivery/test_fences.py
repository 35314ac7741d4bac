"""How often a producer opens another stream although it was fenced off."""

from __future__ import annotations

from towpath._delivery.fences import MOST, WITHIN_SECONDS, Fences


def test_a_few_fences_are_borne_and_more_at_once_are_not() -> None:
    fences = Fences(clock=lambda: 0.0)
    assert [fences.bearable() for _ in range(MOST + 2)] == [True] * MOST + [False, False]


def test_fences_of_long_ago_count_no_more() -> None:
    now = [0.0]
    fences = Fences(clock=lambda: now[0])
    for _ in range(10 * MOST):
        assert fences.bearable()
        now[0] += WITHIN_SECONDS / MOST + 1
