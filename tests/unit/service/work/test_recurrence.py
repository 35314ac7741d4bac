"""Rules of schedules against brute force: each minute for cron, another library for RRULE."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

import pytest
from dateutil.rrule import rrulestr
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from towpath_service.work.domain.pattern import Frequency, PatternWalls
from towpath_service.work.domain.recurrence import due
from towpath_service.work.domain.rrule_parts import parse_pattern
from towpath_service.work.domain.rules import CronRule, IntervalRule, RecurrenceRule
from towpath_service.work.domain.zones import find_zone, segments

from tests.budgets import examples
from tests.unit.service.work.brute_force import cron, instant, minutes_of, us, zone_of

ZONES = (
    *("Africa/Cairo", "Africa/Casablanca", "America/Asuncion", "America/Caracas"),
    *("America/Chicago", "America/Havana", "America/New_York", "America/Sao_Paulo"),
    *("America/Santiago", "America/Scoresbysund", "America/St_Johns", "Antarctica/Troll"),
    *("Asia/Amman", "Asia/Beirut", "Asia/Gaza", "Asia/Tehran", "Australia/Lord_Howe"),
    *("Australia/Sydney", "Europe/Berlin", "Europe/Dublin", "Europe/Istanbul", "Europe/London"),
    *("Europe/Moscow", "Pacific/Apia", "Pacific/Chatham", "Pacific/Norfolk"),
)
"""Zones with all kinds of changes: at midnight, by 30 minutes, by 2 hours, by a day."""
MORE_ZONES = (
    *("UTC", "Asia/Kolkata", "Asia/Kathmandu", "Asia/Pyongyang", "Asia/Tokyo", "Europe/Lisbon"),
    *("America/Los_Angeles", "America/Phoenix", "Asia/Hong_Kong", "Pacific/Auckland"),
    *("Pacific/Kiritimati", "America/Godthab", "Asia/Ulaanbaatar", "Africa/Windhoek"),
)
MINUTES = ("*", "*/5", "*/15", "*/30", "*/7", "0", "30", "59", "15,45", "0-10/5", "0/20")
HOURS = ("*", "*/2", "*/3", "0", "1", "2", "3", "0-4", "1,2", "22-23", "12", "5/6")
DAYS = ("*", "*", "*", "1", "15", "*/2", "28-31")
WEEKDAYS = ("*", "*", "*", "1-5", "SUN", "7", "*/2")
YEAR = timedelta(days=365)


def changes_of(zone: str, year: int) -> list[datetime]:
    begin = datetime(year, 1, 1, tzinfo=UTC)
    spans = list(segments(find_zone(zone, ""), begin, begin.replace(year=year + 1)))
    return [later.begin for span, later in pairwise(spans) if span.offset != later.offset]


@st.composite
def spans_of_time(draw: st.DrawFn) -> tuple[str, datetime, datetime]:
    """A zone with two instants, mostly around a change of its clock."""
    zone = draw(st.sampled_from([*ZONES, *MORE_ZONES]))
    year = draw(st.integers(1995, 2037))
    middle = datetime(year, 1, 1, tzinfo=UTC) + timedelta(minutes=draw(st.integers(0, 525_599)))
    changes = changes_of(zone, year)
    near = draw(st.integers(0, 3)) > 0
    if changes and near:
        middle = draw(st.sampled_from(changes))
    after = middle - timedelta(seconds=draw(st.integers(-2 * 3600, 30 * 3600)))
    return zone, after, after + timedelta(hours=draw(st.integers(1, 48)))


expressions = st.builds(
    "{} {} {} * {}".format,
    *map(st.sampled_from, (MINUTES, HOURS, DAYS, WEEKDAYS)),
)


@settings(max_examples=examples(200))
@given(spans_of_time(), expressions, st.booleans())
def test_cron_rules_are_due_as_brute_force_finds(
    span: tuple[str, datetime, datetime], expression: str, day_or: bool
) -> None:
    zone, after, until = span
    rule = CronRule(expression=expression, time_zone=zone, day_or=day_or)
    wanted = cron(expression, minutes_of(zone_of(zone), after, until), day_or=day_or)
    assert list(due(rule, us(after), us(until))) == [us(found) for found in wanted if found > after]


@pytest.mark.parametrize("zone", ZONES)
def test_cron_rules_are_right_around_changes_of_the_clock(zone: str) -> None:
    chosen = random.Random(zone)
    for year in (2011, 2018, 2026, 2027):
        for change in changes_of(zone, year):
            after = change - timedelta(minutes=chosen.randrange(-2 * 60, 26 * 60))
            until = change + timedelta(hours=5)
            minutes = minutes_of(zone_of(zone), after, until)
            for _ in range(4):
                expression = f"{chosen.choice(MINUTES)} {chosen.choice(HOURS)} * * *"
                wanted = [us(found) for found in cron(expression, minutes)]
                rule = CronRule(expression=expression, time_zone=zone)
                assert list(due(rule, us(after), us(until))) == wanted, (expression, after)


@given(spans_of_time(), expressions, st.integers(0, 40))
def test_a_search_goes_on_where_another_ended(
    span: tuple[str, datetime, datetime], expression: str, number: int
) -> None:
    zone, after, until = span
    rule = CronRule(expression=expression, time_zone=zone)
    everything = list(due(rule, us(after), us(until)))
    assume(everything)
    at = everything[number % len(everything)]
    assert list(due(rule, at, us(until))) == [found for found in everything if found > at]
    assert list(due(rule, us(after), at)) == [found for found in everything if found <= at]


NUMBERS = {
    "BYMONTH": st.integers(1, 12),
    "BYMONTHDAY": st.integers(-31, 31).filter(bool),
    "BYYEARDAY": st.integers(-366, 366).filter(bool),
    "BYWEEKNO": st.integers(1, 53),
    "BYHOUR": st.integers(0, 23),
    "BYMINUTE": st.integers(0, 59),
    "BYSETPOS": st.integers(-9, 9).filter(bool),
}
starts = st.datetimes(datetime(2019, 1, 1), datetime(2026, 12, 31)).map(  # noqa: DTZ001
    lambda start: start.replace(microsecond=0)
)


@st.composite
def rules(draw: st.DrawFn) -> str:
    """An RRULE in which both libraries mean the same."""
    frequency = draw(st.sampled_from(Frequency))
    parts = [f"FREQ={frequency.name}", f"INTERVAL={draw(st.integers(1, 5))}"]
    names = set(draw(st.lists(st.sampled_from(sorted(NUMBERS)), max_size=3, unique=True)))
    if frequency is not Frequency.YEARLY:
        names.discard("BYWEEKNO")
    if frequency is Frequency.WEEKLY:
        # The set of the first week begins at its start there, not at DTSTART.
        names.discard("BYSETPOS")
    for name in sorted(names):
        numbers = draw(st.lists(NUMBERS[name], min_size=1, max_size=5, unique=True))
        parts.append(f"{name}={','.join(map(str, numbers))}")
    if draw(st.booleans()):
        numbered = frequency <= Frequency.MONTHLY and "BYWEEKNO" not in names
        numbered = numbered and draw(st.booleans())
        days = draw(st.lists(st.sampled_from(["MO", "TU", "SA", "SU"]), min_size=1, unique=True))
        number = st.sampled_from(["1", "2", "-1", "-2"]) if numbered else st.just("")
        parts.append("BYDAY=" + ",".join(draw(number) + day for day in days))
    if draw(st.booleans()):
        parts.append(f"WKST={draw(st.sampled_from(['MO', 'WE', 'SU']))}")
    return ";".join(parts)


@settings(max_examples=examples(100))
@given(rules(), starts, st.integers(0, 11))
def test_recurrences_name_the_times_that_dateutil_finds(
    text: str, start: datetime, number: int
) -> None:
    pattern = parse_pattern(text, start, lambda _: start)
    walls = list(islice(PatternWalls(pattern).between(start, start + 4 * YEAR), 12))
    # Where nothing is due, dateutil walks to the year 9999.
    assume(walls)
    assert walls == list(islice(rrulestr(text, dtstart=start), len(walls)))
    begin, stop = walls[number % len(walls)], walls[-1]
    later = [wall for wall in walls if begin <= wall < stop]
    assert list(PatternWalls(pattern).between(begin, stop)) == later


@pytest.mark.parametrize(
    "text",
    [
        "FREQ=YEARLY",
        "FREQ=YEARLY;BYMONTH=1,7;BYDAY=1MO,-1FR",
        "FREQ=YEARLY;BYDAY=20MO",
        "FREQ=YEARLY;BYWEEKNO=1,20,53;BYDAY=MO,SU;WKST=SU",
        "FREQ=YEARLY;BYYEARDAY=1,100,-1",
        "FREQ=YEARLY;INTERVAL=4;BYMONTH=2;BYMONTHDAY=29",
        "FREQ=MONTHLY;BYMONTHDAY=31",
        "FREQ=MONTHLY;BYMONTHDAY=-1;BYHOUR=9,17",
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1,-1",
        "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=SU",
        "FREQ=DAILY;INTERVAL=10;BYMONTH=1",
        "FREQ=DAILY;BYHOUR=6,18;BYMINUTE=0,30;BYSETPOS=2,-1",
        "FREQ=HOURLY;INTERVAL=5;BYDAY=SA",
        "FREQ=HOURLY;BYHOUR=3,5;BYMINUTE=15,45",
        "FREQ=MINUTELY;INTERVAL=20;BYHOUR=5",
        "FREQ=MINUTELY;INTERVAL=7;BYMINUTE=13;BYMONTHDAY=1",
    ],
)
def test_the_known_recurrences_are_as_dateutil_has_them(text: str) -> None:
    start = datetime(2024, 2, 29, 9, 20, 10)  # noqa: DTZ001 - local times have no zone
    walls = PatternWalls(parse_pattern(text, start, lambda _: start)).between(
        start, start + 60 * YEAR
    )
    assert list(islice(walls, 15)) == list(islice(rrulestr(text, dtstart=start), 15))


@pytest.mark.parametrize(
    ("zone", "year"),
    [
        *((zone, random.Random(zone).randrange(1995, 2037)) for zone in (*ZONES, *MORE_ZONES)),
        # Their summer time pauses for Ramadan.
        *(("Africa/Casablanca", 2024), ("Africa/Cairo", 2010)),
    ],
)
def test_segments_have_one_offset_each_and_leave_nothing_out(zone: str, year: int) -> None:
    begin = datetime(year, 1, 1, tzinfo=UTC)
    end = begin.replace(year=year + 1)
    spans = list(segments(find_zone(zone, ""), begin, end))
    assert (spans[0].begin, spans[-1].end) == (begin, end)
    assert all(span.end == later.begin for span, later in pairwise(spans))
    known = zone_of(zone)
    for span in spans:
        at = span.begin
        while at < span.end:
            assert at.astimezone(known).utcoffset() == span.offset
            at += timedelta(hours=1)


@given(starts, st.integers(1, 60), st.sampled_from(["DAILY", "WEEKLY", "HOURLY"]))
def test_a_count_ends_a_recurrence(start: datetime, count: int, frequency: str) -> None:
    text = f"DTSTART:{start:%Y%m%dT%H%M%S}\nRRULE:FREQ={frequency};COUNT={count}"
    begin = us(start.replace(tzinfo=UTC))
    found = list(due(RecurrenceRule(rrule=text), begin - 1, begin + us(instant(0) + 2 * YEAR)))
    assert len(found) == count
    assert found[0] == begin


@given(
    st.integers(1, 10**7),
    st.integers(-(10**15), 10**15),
    st.integers(0, 2 * 10**15),
    st.integers(0, 50),
)
def test_intervals_are_due_at_whole_distances_from_their_anchor(
    seconds: int, anchor_us: int, after_us: int, number: int
) -> None:
    interval_us = seconds * 1_000_000
    rule = IntervalRule(interval_us=interval_us, anchor_us=anchor_us)
    until_us = after_us + number * interval_us
    found = list(due(rule, after_us, until_us))
    assert len(found) == number
    assert all(
        (due_us - anchor_us) % interval_us == 0 and after_us < due_us <= until_us
        for due_us in found
    )
    assert found == sorted(set(found))


@pytest.mark.parametrize("after_us", [-(10**18), 0, 10**18])
def test_searches_end_at_any_time(after_us: int) -> None:
    for rule in (
        CronRule(expression="@daily", time_zone="Europe/London"),
        RecurrenceRule(rrule="FREQ=YEARLY"),
        IntervalRule(interval_us=86_400_000_000),
    ):
        found = list(islice(due(rule, after_us, after_us + 10**14), 3))
        assert all(after_us < due_us < us(datetime(2300, 1, 1, tzinfo=UTC)) for due_us in found)
