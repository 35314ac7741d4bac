from __future__ import annotations

import pytest
from towpath._delivery import backoff
from towpath._delivery.backoff import Backoff


@pytest.fixture
def longest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chance always takes the longest pause."""
    monkeypatch.setattr(backoff.random, "uniform", lambda _, most: most)


@pytest.mark.usefixtures("longest")
def test_pauses_double_up_to_the_protocols_most_and_begin_anew_after_success() -> None:
    pauses = Backoff()
    assert [pauses.pause() for _ in range(9)] == [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30]
    pauses.reset()
    assert pauses.pause() == 0.25


@pytest.mark.usefixtures("longest")
def test_what_the_server_asks_for_is_the_least() -> None:
    assert Backoff().pause(7.0) == 7.25


def test_pauses_are_spread_over_their_whole_length() -> None:
    pauses = [Backoff().pause() for _ in range(200)]
    assert 0 <= min(pauses) < 0.05
    assert 0.2 < max(pauses) <= 0.25
