"""Due instants around changes of the clock, worked out by other means."""

from __future__ import annotations

from itertools import islice

import pytest
from towpath_service.work.domain.recurrence import due, next_due
from towpath_service.work.domain.rules import CronRule, IntervalRule, RecurrenceRule, Rule

from tests.unit.service.work.brute_force import at, cron, instant, minutes_of, us, zone_of

HOUR_US = 3_600_000_000

CRON = [
    ("Europe/London", "30 1 * * *", "2026-03-28T12:00", "03-29T01:00 03-30T00:30 03-31T00:30"),
    ("Europe/London", "30 1 * * *", "2026-10-24T12:00", "10-25T00:30 10-26T01:30 10-27T01:30"),
    ("Europe/London", "0 1 * * *", "2026-03-28T12:00", "03-29T01:00 03-30T00:00 03-31T00:00"),
    (
        "Europe/London",
        "*/30 * * * *",
        "2026-10-25T00:00",
        "10-25T00:30 10-25T01:00 10-25T01:30 10-25T02:00 10-25T02:30",
    ),
    (
        "Europe/London",
        "*/15 1 * * *",
        "2026-10-24T23:50",
        "10-25T00:00 10-25T00:15 10-25T00:30 10-25T00:45 10-25T01:00 10-25T01:15",
    ),
    ("America/New_York", "30 2 * * *", "2026-03-07T12:00", "03-08T07:00 03-09T06:30 03-10T06:30"),
    ("America/New_York", "30 1 * * *", "2026-10-31T12:00", "11-01T05:30 11-02T06:30 11-03T06:30"),
    (
        "America/New_York",
        "0 0-3 * * *",
        "2026-11-01T03:30",
        "11-01T04:00 11-01T05:00 11-01T07:00 11-01T08:00 11-02T05:00 11-02T06:00",
    ),
    (
        "America/New_York",
        "0 0-4 * * *",
        "2026-03-08T04:30",
        "03-08T05:00 03-08T06:00 03-08T07:00 03-08T08:00 03-09T04:00",
    ),
    (
        "Australia/Lord_Howe",
        "15 2 * * *",
        "2026-10-03T00:00",
        "10-03T15:30 10-04T15:15 10-05T15:15",
    ),
    (
        "Australia/Lord_Howe",
        "45 1 * * *",
        "2026-04-04T00:00",
        "04-04T14:45 04-05T15:15 04-06T15:15",
    ),
    ("Africa/Casablanca", "30 2 * * *", "2026-02-14T12:00", "02-15T01:30 02-16T02:30 02-17T02:30"),
    ("Pacific/Apia", "0 12 * * *", "2011-12-28T00:00", "12-28T22:00 12-29T22:00 12-30T10:00"),
    ("America/Santiago", "0 0 * * *", "2026-09-05T12:00", "09-06T04:00 09-07T03:00 09-08T03:00"),
    ("Africa/Cairo", "0 0 * * *", "2026-04-23T00:00", "04-23T22:00 04-24T21:00 04-25T21:00"),
    ("Antarctica/Troll", "30 1 * * *", "2026-03-28T12:00", "03-29T01:00 03-29T23:30 03-30T23:30"),
    (
        "Pacific/Chatham",
        "*/15 */3 * * *",
        "2026-09-26T13:30",
        "09-26T14:00 09-26T16:15 09-26T16:30 09-26T16:45",
    ),
    ("America/Havana", "0 */2 * * *", "2026-03-08T02:00", "03-08T03:00 03-08T06:00 03-08T08:00"),
    ("Europe/Berlin", "0 9 * * 1-5", "2026-10-23T08:00", "10-26T08:00 10-27T08:00 10-28T08:00"),
    ("UTC", "0 0 29 2 *", "2026-01-01T00:00", "2028-02-29T00:00"),
    (
        "UTC",
        "0 0 13 * 5",
        "2026-02-01T00:00",
        "02-06T00:00 02-13T00:00 02-20T00:00 02-27T00:00 03-06T00:00",
    ),
    (
        "UTC",
        "0 0 */2 * 1",
        "2026-06-01T00:00",
        "06-15T00:00 06-29T00:00 07-13T00:00 07-27T00:00",
    ),
]
RECURRENCE = [
    (
        "America/New_York",
        "DTSTART:20260301T023000\nRRULE:FREQ=DAILY",
        "2026-03-07T12:00",
        "03-08T07:30 03-09T06:30 03-10T06:30",
    ),
    (
        "America/New_York",
        "DTSTART:20260301T013000\nRRULE:FREQ=DAILY",
        "2026-10-31T12:00",
        "11-01T05:30 11-02T06:30 11-03T06:30",
    ),
    (
        "Europe/London",
        "DTSTART:20260101T090000\nRRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
        "2026-01-01T12:00",
        "01-30T09:00 02-27T09:00 03-31T08:00 04-30T08:00",
    ),
    (
        "America/New_York",
        "DTSTART:20260105T090000\nRRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO",
        "2026-02-28T00:00",
        "03-02T14:00 03-16T13:00 03-30T13:00",
    ),
    (
        "Europe/London",
        "DTSTART:20261024T003000\nRRULE:FREQ=HOURLY",
        "2026-10-25T00:00",
        "10-25T00:30 10-25T02:30 10-25T03:30 10-25T04:30",
    ),
]
INTERVAL = [
    (24 * HOUR_US, "2026-03-07T14:00", "2026-03-07T15:00", "03-08T14:00 03-09T14:00 03-10T14:00"),
    (
        HOUR_US * 3 // 2,
        "2026-10-24T22:00",
        "2026-10-24T23:00",
        "10-24T23:30 10-25T01:00 10-25T02:30 10-25T04:00",
    ),
]


def instants(after: str, texts: str) -> list[int]:
    year = after[:5]
    whole = [text if text.startswith("20") else year + text for text in texts.split()]
    return [us(at(text)) for text in whole]


def first(rule: Rule, after: str, number: int) -> list[int]:
    return list(islice(due(rule, us(at(after)), us(at("2030-01-01T00:00"))), number))


@pytest.mark.parametrize(("zone", "expression", "after", "expected"), CRON)
def test_cron_rules_are_due(zone: str, expression: str, after: str, expected: str) -> None:
    rule = CronRule(expression=expression, time_zone=zone)
    wanted = instants(after, expected)
    assert first(rule, after, len(wanted)) == wanted
    assert next_due(rule, us(at(after))) == wanted[0]


@pytest.mark.parametrize(("zone", "expression", "after", "expected"), CRON)
def test_brute_force_finds_the_same(zone: str, expression: str, after: str, expected: str) -> None:
    wanted = instants(after, expected)
    # Of long waits, the end is enough.
    begin = max(us(at(after)), wanted[0] - 36 * HOUR_US)
    until = min(wanted[-1], begin + 100 * HOUR_US)
    minutes = minutes_of(zone_of(zone), instant(begin), instant(until))
    assert [us(found) for found in cron(expression, minutes)] == [w for w in wanted if w <= until]


@pytest.mark.parametrize(("zone", "text", "after", "expected"), RECURRENCE)
def test_recurrences_are_due(zone: str, text: str, after: str, expected: str) -> None:
    rule = RecurrenceRule(rrule=text, time_zone=zone)
    wanted = instants(after, expected)
    assert first(rule, after, len(wanted)) == wanted


@pytest.mark.parametrize(("interval_us", "anchor", "after", "expected"), INTERVAL)
def test_intervals_are_due(interval_us: int, anchor: str, after: str, expected: str) -> None:
    rule = IntervalRule(interval_us=interval_us, anchor_us=us(at(anchor)))
    wanted = instants(after, expected)
    assert first(rule, after, len(wanted)) == wanted


@pytest.mark.parametrize(
    ("rule", "after", "expected"),
    [
        # Within the second pass of a repeated hour, and after a gap that shifted a time.
        (
            CronRule(expression="30 1 * * *", time_zone="Europe/London"),
            *("2026-10-25T01:10", "2026-10-26T01:30"),
        ),
        (
            CronRule(expression="*/30 1 * * *", time_zone="Europe/London"),
            *("2026-10-25T01:10", "2026-10-25T01:30"),
        ),
        (
            CronRule(expression="30 2 * * *", time_zone="America/New_York"),
            *("2026-03-08T07:00", "2026-03-09T06:30"),
        ),
        (
            RecurrenceRule(rrule=RECURRENCE[0][1], time_zone="America/New_York"),
            *("2026-03-08T07:10", "2026-03-08T07:30"),
        ),
        (
            RecurrenceRule(rrule=RECURRENCE[1][1], time_zone="America/New_York"),
            *("2026-11-01T06:10", "2026-11-02T06:30"),
        ),
        # A day that isn't, asked after it.
        (
            CronRule(expression="0 12 * * *", time_zone="Pacific/Apia"),
            *("2011-12-30T10:00", "2011-12-30T22:00"),
        ),
    ],
)
def test_a_search_may_begin_right_after_a_change_of_the_clock(
    rule: Rule, after: str, expected: str
) -> None:
    assert next_due(rule, us(at(after))) == us(at(expected))
