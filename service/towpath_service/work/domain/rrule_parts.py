"""Reads the parts of an RRULE, such as FREQ=WEEKLY;BYDAY=MO."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from towpath_service.core.errors import invalid
from towpath_service.work.domain.pattern import (
    MAX_STEPS,
    Frequency,
    Pattern,
    PatternWalls,
    TooManySteps,
)
from towpath_service.work.domain.zones import LATEST

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

FIELD: Final = "recurrence.rrule"
_MAX_INTERVAL: Final = 1_000_000
_WEEKDAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_WEEKDAY: Final = re.compile(r"([+-]?\d{1,2})?([A-Z]{2})", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?\d{1,9}", re.ASCII)
_RANGES: Final[Mapping[str, tuple[int, int]]] = {
    "INTERVAL": (1, _MAX_INTERVAL),
    "COUNT": (1, MAX_STEPS),
    "BYMONTH": (1, 12),
    "BYWEEKNO": (-53, 53),
    "BYYEARDAY": (-366, 366),
    "BYMONTHDAY": (-31, 31),
    "BYHOUR": (0, 23),
    "BYMINUTE": (0, 59),
    "BYSECOND": (0, 59),
    "BYSETPOS": (-366, 366),
}
_OTHERS: Final = ("FREQ", "UNTIL", "WKST", "BYDAY")


def parse_pattern(text: str, start: datetime, until_of: Callable[[str], datetime]) -> Pattern:
    """Reads an RRULE.

    Args:
        text: Its parts, in capitals.
        start: DTSTART as a local time.
        until_of: Reads an UNTIL as the last local time that counts.

    Raises:
        ServiceError: INVALID_REQUEST, with the field.
    """
    parts = _parts(text)
    frequency = _frequency(parts)
    numbers = {name: _numbers(name, parts.get(name)) for name in _RANGES}
    second = numbers["BYSECOND"]
    if len(second) > 1:
        raise invalid(FIELD, "BYSECOND takes one second: use an interval for several")
    pattern = Pattern(
        frequency=frequency,
        start=start,
        interval=_single("INTERVAL", numbers) or 1,
        count=_single("COUNT", numbers),
        until=until_of(parts["UNTIL"]) if "UNTIL" in parts else None,
        week_start=_week_start(parts),
        months=frozenset(numbers["BYMONTH"]),
        week_numbers=frozenset(numbers["BYWEEKNO"]),
        year_days=frozenset(numbers["BYYEARDAY"]),
        month_days=frozenset(numbers["BYMONTHDAY"]),
        weekdays=_weekdays(parts, frequency),
        hours=tuple(sorted(set(numbers["BYHOUR"]))),
        minutes=tuple(sorted(set(numbers["BYMINUTE"]))),
        second=second[0] if second else start.second,
        positions=tuple(numbers["BYSETPOS"]),
    )
    return _without_count(_with_days_of_start(pattern))


def _parts(text: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for part in text.strip(";").split(";"):
        name, equals, value = part.partition("=")
        if not equals or (name not in _RANGES and name not in _OTHERS):
            known = ", ".join((*_OTHERS, *_RANGES))
            raise invalid(FIELD, f"{part[:40]!r} is no part of a rule; there are {known}")
        if name in parts:
            raise invalid(FIELD, f"{name} comes once in a rule")
        parts[name] = value
    if "COUNT" in parts and "UNTIL" in parts:
        raise invalid(FIELD, "a rule ends by COUNT or by UNTIL, not by both")
    return parts


def _frequency(parts: Mapping[str, str]) -> Frequency:
    given = parts.get("FREQ", "")
    if given == "SECONDLY":
        raise invalid(FIELD, "FREQ=SECONDLY is not supported: use an interval")
    try:
        return Frequency[given]
    except KeyError:
        names = ", ".join(frequency.name for frequency in Frequency)
        raise invalid(FIELD, f"FREQ {given[:20]!r}: it takes one of {names}") from None


def _numbers(name: str, text: str | None) -> list[int]:
    if text is None:
        return []
    low, high = _RANGES[name]
    found: list[int] = []
    for given in text.split(","):
        number = int(given) if _NUMBER.fullmatch(given) else None
        if number is None or not low <= number <= high or (low < 0 and number == 0):
            takes = f"{low} to {high}" if low >= 0 else f"1 to {high}, or -1 to {low} from the end"
            raise invalid(FIELD, f"{name} {given[:20]!r}: it takes {takes}")
        found.append(number)
    return found


def _single(name: str, numbers: Mapping[str, list[int]]) -> int | None:
    given = numbers[name]
    if len(given) > 1:
        raise invalid(FIELD, f"{name} takes one number")
    return given[0] if given else None


def _week_start(parts: Mapping[str, str]) -> int:
    given = parts.get("WKST", "MO")
    if given not in _WEEKDAYS:
        raise invalid(FIELD, f"WKST {given[:20]!r}: it takes one of {', '.join(_WEEKDAYS)}")
    return _WEEKDAYS.index(given)


def _weekdays(parts: Mapping[str, str], frequency: Frequency) -> frozenset[tuple[int, int]]:
    if "BYDAY" not in parts:
        return frozenset()
    return frozenset(_weekday(given, frequency) for given in parts["BYDAY"].split(","))


def _weekday(given: str, frequency: Frequency) -> tuple[int, int]:
    found = _WEEKDAY.fullmatch(given)
    if found is None or found[2] not in _WEEKDAYS or (found[1] and not int(found[1])):
        days = ", ".join(_WEEKDAYS)
        raise invalid(FIELD, f"BYDAY {given[:20]!r}: it takes {days}, or 2MO or -1FR of a month")
    number = int(found[1] or 0)
    if number and frequency > Frequency.MONTHLY:
        raise invalid(FIELD, f"BYDAY {given!r}: numbers go with FREQ=MONTHLY or FREQ=YEARLY")
    return _WEEKDAYS.index(found[2]), number


def _with_days_of_start(pattern: Pattern) -> Pattern:
    """Gives a rule that names no days those of its start."""
    start = pattern.start
    if pattern.week_numbers or pattern.year_days or pattern.month_days or pattern.weekdays:
        return pattern
    match pattern.frequency:
        case Frequency.YEARLY:
            months = pattern.months or frozenset({start.month})
            return replace(pattern, months=months, month_days=frozenset({start.day}))
        case Frequency.MONTHLY:
            return replace(pattern, month_days=frozenset({start.day}))
        case Frequency.WEEKLY:
            return replace(pattern, weekdays=frozenset({(start.weekday(), 0)}))
        case _:
            return pattern


def _without_count(pattern: Pattern) -> Pattern:
    """Replaces a count by the last local time that it reaches."""
    if pattern.count is None:
        return pattern
    try:
        last = PatternWalls(pattern).last_of_count(LATEST.replace(tzinfo=None))
    except TooManySteps:
        raise invalid(
            FIELD,
            f"COUNT is reached only after more than {MAX_STEPS} steps from DTSTART:"
            " move DTSTART closer, or use UNTIL",
        ) from None
    return replace(pattern, count=None, until=last)
