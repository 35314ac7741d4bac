from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from towpath.cli.shared.times import expiry, parse_duration, rfc3339


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("0s", timedelta()),
        ("30m", timedelta(minutes=30)),
        ("12h", timedelta(hours=12)),
        ("90d", timedelta(days=90)),
        ("2w", timedelta(weeks=2)),
        ("999999999d", timedelta(days=999_999_999)),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, span: timedelta) -> None:
    assert parse_duration(text) == span


@pytest.mark.parametrize("text", ["", "12", "h", "-1h", "1.5h", "1 h", "12H", "1y", "9" * 10 + "s"])
def test_another_text_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        parse_duration(text)


def test_a_unit_that_isnt_wanted_is_refused() -> None:
    assert parse_duration("5m", units="mhd") == timedelta(minutes=5)
    with pytest.raises(ValueError, match="'5s' is no duration"):
        parse_duration("5s", units="mhd")


def test_times_are_in_utc_and_keys_say_when_they_expire() -> None:
    moment = datetime(2026, 11, 28, 9, 5, 1, tzinfo=UTC)
    assert rfc3339(moment) == "2026-11-28T09:05:01Z"
    assert rfc3339(moment.replace(microsecond=5)) == "2026-11-28T09:05:01.000005Z"
    assert expiry(None) == "never expires"
    assert expiry(moment).startswith("expires at 2026-11-28 ")
