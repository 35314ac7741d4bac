"""What wrong rules get: the field, and a sentence with the problem."""

from __future__ import annotations

import pytest
from towpath_service.core.errors import ServiceError
from towpath_service.work.domain.recurrence import check_rule, due_within, next_due, zone_of
from towpath_service.work.domain.rules import CronRule, IntervalRule, RecurrenceRule, Rule
from towpath_service.work.domain.slot_policy import SlotPolicy, check_policy
from towpath_service.work.domain.zones import zone_data_version, zone_names

from tests.unit.service.work.brute_force import at, us

NOW_US = us(at("2026-12-01T12:00"))
SECOND_US = 1_000_000

CRON = {
    "60 * * * *": "minute '60': it takes 0 to 59",
    "0 24 * * *": "hour '24': it takes 0 to 23",
    "5-1 * * * *": "minute '5-1'",
    "*/0 * * * *": "minute '*/0'",
    "0 0 0 * *": "day of month '0': it takes 1 to 31",
    "0 0 1 13 *": "month '13': it takes 1 to 12, or JAN to DEC",
    "0 0 * * 8": "day of week '8': it takes 0 to 7",
    "0 0 * * ?": "day of week '?'",
    "0 0 30 2 *": "day of month '30' never comes in month '2'",
    "0 0 31 4,6 *": "day of month '31' never comes in month '4,6'",
    "*/10 0 12 * * *": "seconds are not supported: use an interval",
    "* * * *": "an expression has five fields",
    "": "an expression has five fields",
    "@reboot": "@reboot is no time",
    "@fortnightly": "there is no '@fortnightly'; there are @yearly",
    "0 " * 200: "at most 255 characters",
}
RECURRENCE = {
    "FREQ=SECONDLY": "FREQ=SECONDLY is not supported: use an interval",
    "FREQ=DAILY;BYSECOND=0,30": "BYSECOND takes one second: use an interval",
    "FREQ=OFTEN": "FREQ 'OFTEN': it takes one of YEARLY, MONTHLY",
    "INTERVAL=2": "FREQ '': it takes one of",
    "FREQ=DAILY;INTERVAL=0": "INTERVAL '0': it takes 1 to",
    "FREQ=DAILY;INTERVAL=1,2": "INTERVAL takes one number",
    "FREQ=DAILY;BYHOUR=24": "BYHOUR '24': it takes 0 to 23",
    "FREQ=DAILY;BYMONTHDAY=0": "BYMONTHDAY '0': it takes 1 to 31, or -1 to -31 from the end",
    "FREQ=DAILY;BYHOUR=x": "BYHOUR 'X'",
    "FREQ=DAILY;FREQ=DAILY": "FREQ comes once",
    "FREQ=DAILY;BYEASTER=1": "'BYEASTER=1' is no part of a rule",
    "FREQ=WEEKLY;BYDAY=1MO": "numbers go with FREQ=MONTHLY or FREQ=YEARLY",
    "FREQ=WEEKLY;BYDAY=XX": "BYDAY 'XX'",
    "FREQ=WEEKLY;BYDAY=": "BYDAY ''",
    "FREQ=WEEKLY;WKST=XX": "WKST 'XX'",
    "FREQ=DAILY;COUNT=2;UNTIL=20270101": "by COUNT or by UNTIL, not by both",
    "FREQ=DAILY;UNTIL=tomorrow": "UNTIL 'TOMORROW': write a time as",
    "FREQ=DAILY;COUNT=20001": "COUNT '20001': it takes 1 to 20000",
    "DTSTART:20000101T000000\nRRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;COUNT=3": (
        "more than 20000 steps from DTSTART: move DTSTART closer"
    ),
    "DTSTART:20260230T000000\nRRULE:FREQ=DAILY": "DTSTART '20260230T000000'",
    "DTSTART:18000101T000000\nRRULE:FREQ=DAILY": "DTSTART takes years from 1900 to 2299",
    "DTSTART:20260101T000000\nDTSTART:20260101T000000\nRRULE:FREQ=DAILY": "DTSTART comes once",
    "DTSTART;TZID=Europe/Paris:20260101T000000\nRRULE:FREQ=DAILY": "give one of them",
    "DTSTART:20260101T000000": "there is no rule",
    "": "there is no rule",
    "EXRULE:FREQ=DAILY": "list the dates as EXDATE",
    "EXDATE;VALUE=PERIOD:20260101\nRRULE:FREQ=DAILY": "EXDATE doesn't take 'VALUE=PERIOD'",
    "SUMMARY:lunch\nRRULE:FREQ=DAILY": "there is no 'SUMMARY'",
    "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30": "no due time in the next 10 years",
    "FREQ=DAILY;UNTIL=20201231": "no due time in the next 10 years",
    "FREQ=MINUTELY;INTERVAL=60;BYMINUTE=30": "no due time in the next 10 years",
    "FREQ=DAILY\n" * 11: "at most 10 RRULE lines",
    "FREQ=DAILY;" * 200: "at most 2048 characters",
}


def problem_of(rule: Rule) -> tuple[str, str]:
    with pytest.raises(ServiceError) as caught:
        check_rule(rule, NOW_US)
    (violation,) = caught.value.violations
    assert caught.value.reason == "INVALID_REQUEST"
    assert caught.value.message == f"{violation.field}: {violation.description}"
    return violation.field, violation.description


@pytest.mark.parametrize("expression", CRON)
def test_a_wrong_expression_is_told_with_its_field(expression: str) -> None:
    field, description = problem_of(CronRule(expression=expression))
    assert field == "cron.expression"
    assert CRON[expression] in description


@pytest.mark.parametrize("text", RECURRENCE)
def test_a_wrong_recurrence_is_told(text: str) -> None:
    field, description = problem_of(RecurrenceRule(rrule=text))
    assert field == "recurrence.rrule"
    assert RECURRENCE[text] in description


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("Europe/Londn", "Europe/London"),
        ("europe/london", "Europe/London"),
        ("London", "Europe/London"),
        ("New York", "America/New_York"),
        ("Asia/Calcuta", "Asia/Calcutta"),
    ],
)
def test_an_unknown_zone_is_told_with_the_nearest_names(name: str, near: str) -> None:
    field, description = problem_of(CronRule(expression="@daily", time_zone=name))
    assert field == "cron.time_zone"
    assert f"did you mean {near}" in description
    field, description = problem_of(RecurrenceRule(rrule="FREQ=DAILY", time_zone=name))
    assert field == "recurrence.time_zone"
    assert near in description


def test_a_zone_is_no_path() -> None:
    for name in ("../../etc/passwd", "Europe", "zone.tab", "/UTC", "x" * 300):
        assert problem_of(CronRule(expression="@daily", time_zone=name))[0] == "cron.time_zone"


@pytest.mark.parametrize("interval_us", [-1, 0, SECOND_US - 1, 11 * 366 * 86_400 * SECOND_US])
def test_an_interval_takes_a_second_to_ten_years(interval_us: int) -> None:
    field, _ = problem_of(IntervalRule(interval_us=interval_us))
    assert field == "interval.interval"
    # A stored one ends no search, however wrong.
    assert next_due(IntervalRule(interval_us=interval_us), NOW_US)


@pytest.mark.parametrize("expression", ["@hourly", "@daily", "@Weekly", "@monthly", "@yearly"])
def test_names_of_expressions_are_taken(expression: str) -> None:
    check_rule(CronRule(expression=expression), NOW_US)


def test_names_of_expressions_mean_the_first_moment() -> None:
    expected = {
        "@hourly": "2026-12-01T13:00",
        "@daily": "2026-12-02T00:00",
        "@midnight": "2026-12-02T00:00",
        "@weekly": "2026-12-06T00:00",
        "@monthly": "2027-01-01T00:00",
        "@yearly": "2027-01-01T00:00",
        "@annually": "2027-01-01T00:00",
    }
    for expression, text in expected.items():
        assert next_due(CronRule(expression=expression), NOW_US) == us(at(text))


def test_both_days_must_match_without_day_or() -> None:
    rule = CronRule(expression="0 0 13 * 5", day_or=False)
    assert next_due(rule, NOW_US) == us(at("2027-08-13T00:00"))


def test_an_empty_zone_is_utc_or_that_of_dtstart() -> None:
    text = "DTSTART;TZID=Europe/Paris:20260101T120000\nRRULE:FREQ=DAILY"
    assert zone_of(CronRule(expression="@daily", time_zone="")).key == "UTC"
    assert zone_of(RecurrenceRule(rrule="FREQ=DAILY", time_zone="")).key == "UTC"
    assert zone_of(RecurrenceRule(rrule=text, time_zone="")).key == "Europe/Paris"
    assert zone_of(IntervalRule(interval_us=SECOND_US)).key == "UTC"
    assert (
        next_due(RecurrenceRule(rrule=text, time_zone=""), NOW_US - 1)
        == NOW_US - 3600 * SECOND_US + 86_400 * SECOND_US
    )


def test_dates_are_added_and_left_out() -> None:
    rule = RecurrenceRule(
        rrule=(
            "DTSTART:20261201T090000Z\nRRULE:FREQ=DAILY;UNTIL=20261205\n"
            "RRULE:FREQ=WEEKLY;COUNT=2\nRDATE:20261203T120000,20261203T110000\n"
            "EXDATE;VALUE=DATE:20261202\nEXDATE:20261204T090000"
        )
    )
    days = due_within(
        rule, at("2026-12-01").replace(tzinfo=None), at("2027-01-01").replace(tzinfo=None)
    )
    assert list(days) == [
        us(at(f"2026-12-{text}"))
        for text in ("01T09:00", "03T09:00", "03T11:00", "03T12:00", "05T09:00", "08T09:00")
    ]


def test_times_in_utc_are_those_of_the_zone() -> None:
    rule = RecurrenceRule(
        rrule="DTSTART:20260701T080000Z\nRRULE:FREQ=DAILY;UNTIL=20261231T080000Z",
        time_zone="Europe/London",
    )
    # 08:00 UTC was 09:00 in London in July, and so it stays.
    assert next_due(rule, NOW_US) == us(at("2026-12-02T09:00"))
    assert next_due(rule, us(at("2026-12-30T10:00"))) is None


def test_long_lines_are_folded() -> None:
    rule = RecurrenceRule(rrule="DTSTART:20261201T090000\r\nRRULE:FREQ=DAILY;INTE\r\n RVAL=3\r\n")
    assert next_due(rule, NOW_US) == us(at("2026-12-04T09:00"))


def test_a_recurrence_without_a_start_has_midnights_since_2020() -> None:
    assert next_due(RecurrenceRule(rrule="FREQ=DAILY"), NOW_US) == us(at("2026-12-02T00:00"))
    assert next_due(RecurrenceRule(rrule="FREQ=MINUTELY"), NOW_US) == NOW_US + 60 * SECOND_US


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        (SlotPolicy(catch_up_window_us=-1), "catch_up_window"),
        (SlotPolicy(catch_up_window_us=367 * 86_400 * SECOND_US), "catch_up_window"),
        (SlotPolicy(jitter_us=-1), "jitter"),
        (SlotPolicy(jitter_us=86_401 * SECOND_US), "jitter"),
        (SlotPolicy(start_deadline_us=0), "start_deadline"),
    ],
)
def test_a_wrong_policy_is_told(policy: SlotPolicy, field: str) -> None:
    with pytest.raises(ServiceError) as caught:
        check_policy(policy)
    assert [violation.field for violation in caught.value.violations] == [field]
    check_policy(SlotPolicy())


def test_the_zone_data_is_named() -> None:
    name, version = zone_data_version().split()
    assert name == "tzdata"
    assert int(version.partition(".")[0]) >= 2026
    assert "Europe/London" in zone_names()
