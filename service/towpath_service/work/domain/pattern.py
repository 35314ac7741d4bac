"""One RRULE of RFC 5545: the local times that it names.

A rule counts periods (years, months, weeks, days, hours, minutes) from its start. Each period has a
set of local times: its days that match, with the times of day. Any period is found by arithmetic,
so a search never walks from the start, and ends where its caller's time ends. Libraries that walk
take many seconds for a rule of minutes that began last year, or for one that is never due.
"""

from __future__ import annotations

from calendar import isleap, monthrange
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import IntEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
MAX_STEPS: Final = 20_000
"""Most periods without an occurrence, and most occurrences and periods of a rule with a count."""


class Frequency(IntEnum):
    """The length of a period."""

    YEARLY = 0
    MONTHLY = 1
    WEEKLY = 2
    DAILY = 3
    HOURLY = 4
    MINUTELY = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A parsed RRULE. An empty set matches all."""

    frequency: Frequency
    start: datetime
    """DTSTART as a local time."""
    interval: int = 1
    count: int | None = None
    until: datetime | None = None
    """The last local time that counts."""
    week_start: int = 0
    """The first day of a week; 0 is Monday."""
    months: frozenset[int] = frozenset()
    week_numbers: frozenset[int] = frozenset()
    year_days: frozenset[int] = frozenset()
    month_days: frozenset[int] = frozenset()
    weekdays: frozenset[tuple[int, int]] = frozenset()
    """Days of the week, 0 for Monday, each with its number in the month or year; 0 for all."""
    hours: tuple[int, ...] = ()
    minutes: tuple[int, ...] = ()
    second: int = 0
    positions: tuple[int, ...] = ()
    """Numbers within the set of a period, from 1 or, backwards, from -1."""


class TooManySteps(Exception):
    """A rule with a count can't be followed to its end."""


class PatternWalls:
    """The local times of a pattern."""

    def __init__(self, pattern: Pattern) -> None:
        self._pattern = pattern
        self._empty_periods = 0

    def between(self, begin: datetime, stop: datetime) -> Iterator[datetime]:
        """Those from `begin` on and before `stop`, ascending.

        None are found any more after 20,000 periods without one. Where a period is a day or longer,
        or days match, that is longer than the 10 years of a search.
        """
        until = self._pattern.until
        for wall in self._steps(begin, stop):
            if wall is not None:
                if until is not None and wall > until:
                    return
                self._empty_periods = 0
                yield wall
                continue
            self._empty_periods += 1
            if self._empty_periods > MAX_STEPS:
                return

    def last_of_count(self, stop: datetime) -> datetime | None:
        """The last occurrence of a rule with a count; None if that isn't before `stop`.

        Raises:
            TooManySteps: It takes more than 20,000 periods from the start of the rule.
        """
        count, steps = self._pattern.count or 0, 0
        for wall in self._steps(self._pattern.start, stop):
            steps += wall is None
            if steps > MAX_STEPS:
                raise TooManySteps
            count -= wall is not None
            if count == 0:
                return wall
        return None

    def _steps(self, begin: datetime, stop: datetime) -> Iterator[datetime | None]:
        """The local times between two, without regard to `until`; None for each period."""
        pattern = self._pattern
        floor = max(begin, pattern.start)
        base = _number(pattern, pattern.start)
        number = _on_grid(pattern, base, _number(pattern, floor))
        last = _number(pattern, stop)
        while number <= last:
            first = _begin_of(pattern, number)
            for wall in _walls_of(pattern, first, floor):
                if wall >= stop:
                    return
                if wall >= floor:
                    yield wall
            yield None
            following = max(number + 1, _number(pattern, _next_chance(pattern, first)))
            number = _on_grid(pattern, base, following + pattern.interval - 1)


def _on_grid(pattern: Pattern, base: int, number: int) -> int:
    """The last period of the rule up to one, but not before its first."""
    return base + max(0, (number - base) // pattern.interval) * pattern.interval


def _number(pattern: Pattern, wall: datetime) -> int:
    """The number of the period that holds a local time, counted from the year 1."""
    days = wall.toordinal()
    match pattern.frequency:
        case Frequency.YEARLY:
            return wall.year
        case Frequency.MONTHLY:
            return wall.year * 12 + wall.month - 1
        case Frequency.WEEKLY:
            return (days - 1 - pattern.week_start) // 7
        case Frequency.DAILY:
            return days
        case Frequency.HOURLY:
            return days * 24 + wall.hour
        case Frequency.MINUTELY:
            return (days * 24 + wall.hour) * 60 + wall.minute


def _begin_of(pattern: Pattern, number: int) -> datetime:
    """The first local time of a period."""
    match pattern.frequency:
        case Frequency.YEARLY:
            return _local(date(number, 1, 1))
        case Frequency.MONTHLY:
            return _local(date(number // 12, number % 12 + 1, 1))
        case Frequency.WEEKLY:
            return _local(date.fromordinal(number * 7 + 1 + pattern.week_start))
        case Frequency.DAILY:
            return _local(date.fromordinal(number))
        case Frequency.HOURLY:
            return _local(date.fromordinal(number // 24)) + number % 24 * _HOUR
        case Frequency.MINUTELY:
            days, minutes = divmod(number, 24 * 60)
            return _local(date.fromordinal(days)) + timedelta(minutes=minutes)


def _next_chance(pattern: Pattern, first: datetime) -> datetime:
    """A local time before which no period after this one has occurrences.

    Of hours and minutes, this passes over days that don't match, and over hours.
    """
    if pattern.frequency < Frequency.HOURLY:
        return first
    if not _matches(pattern, first.date()):
        return _local(first.date() + _DAY)
    if pattern.hours and first.hour not in pattern.hours:
        return first.replace(minute=0) + _HOUR
    return first


def _walls_of(pattern: Pattern, first: datetime, floor: datetime) -> Iterable[datetime]:
    """The set of a period, ascending; what is before `floor` may be left out."""
    times = _times_of(pattern, first)
    days = [day for day in _days_of(pattern, first) if _matches(pattern, day)] if times else []
    if not pattern.positions:
        later = (day for day in days if day >= floor.date())
        return (_local(day) + time for day in later for time in times)
    size = len(days) * len(times)
    places = {place - 1 if place > 0 else size + place for place in pattern.positions}
    chosen = (divmod(place, len(times)) for place in sorted(places) if 0 <= place < size)
    return (_local(days[day]) + times[time] for day, time in chosen)


def _days_of(pattern: Pattern, first: datetime) -> Iterator[date]:
    match pattern.frequency:
        case Frequency.YEARLY:
            months = sorted(pattern.months) or range(1, 13)
            firsts = [date(first.year, month, 1) for month in months]
            spans = [(day, _month_length(day.year, day.month)) for day in firsts]
        case Frequency.MONTHLY:
            spans = [(first.date(), _month_length(first.year, first.month))]
        case Frequency.WEEKLY:
            spans = [(first.date(), 7)]
        case _:
            spans = [(first.date(), 1)]
    for begin, length in spans:
        for number in range(length):
            yield begin + number * _DAY


def _times_of(pattern: Pattern, first: datetime) -> list[timedelta]:
    """The times of day in a period, ascending, as spans since midnight."""
    start = pattern.start
    hours: Iterable[int] = pattern.hours or (start.hour,)
    minutes: Iterable[int] = pattern.minutes or (start.minute,)
    if pattern.frequency >= Frequency.HOURLY:
        hours = [first.hour] if not pattern.hours or first.hour in pattern.hours else []
    if pattern.frequency is Frequency.MINUTELY:
        minutes = [first.minute] if not pattern.minutes or first.minute in pattern.minutes else []
    return [
        timedelta(hours=hour, minutes=minute, seconds=pattern.second)
        for hour in hours
        for minute in minutes
    ]


def _matches(pattern: Pattern, day: date) -> bool:
    """Whether a day has what the rule asks of days."""
    if pattern.months and day.month not in pattern.months:
        return False
    if pattern.month_days:
        length = _month_length(day.year, day.month)
        if pattern.month_days.isdisjoint((day.day, day.day - length - 1)):
            return False
    if pattern.year_days:
        number = _day_of_year(day)
        if pattern.year_days.isdisjoint((number, number - _year_length(day.year) - 1)):
            return False
    weeks = pattern.week_numbers
    if weeks and weeks.isdisjoint(_week_numbers(day, pattern.week_start)):
        return False
    return not pattern.weekdays or not pattern.weekdays.isdisjoint(_weekdays(pattern, day))


def _weekdays(pattern: Pattern, day: date) -> Iterator[tuple[int, int]]:
    """What a day is called: (its weekday, 0), and numbered from both ends of its month or year."""
    weekday = day.weekday()
    yield weekday, 0
    if pattern.frequency is Frequency.YEARLY and not pattern.months:
        number, length = _day_of_year(day), _year_length(day.year)
    else:
        number, length = day.day, _month_length(day.year, day.month)
    yield weekday, (number - 1) // 7 + 1
    yield weekday, -((length - number) // 7 + 1)


def _week_numbers(day: date, week_start: int) -> tuple[int, int]:
    """The number of a day's week in its year, from 1 and, backwards, from -1.

    A week belongs to the year in which most of its days are.
    """
    year, number = _week_of(day, week_start)
    _, weeks = _week_of(date(year, 12, 28), week_start)
    return number, number - weeks - 1


def _week_of(day: date, week_start: int) -> tuple[int, int]:
    fourth = day + (3 - (day.weekday() - week_start) % 7) * _DAY
    return fourth.year, (_day_of_year(fourth) - 1) // 7 + 1


def _month_length(year: int, month: int) -> int:
    return monthrange(year, month)[1]


def _year_length(year: int) -> int:
    return 365 + isleap(year)


def _day_of_year(day: date) -> int:
    return day.toordinal() - date(day.year, 1, 1).toordinal() + 1


def _local(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001 - local times have no zone
