"""Recurrences of RFC 5545: their due instants, and the parts of them that are read as text.

The reading of one RRULE is in `rrule_parts`, its local times are in `pattern`.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from heapq import merge
from typing import TYPE_CHECKING, Final

from towpath_service.core.errors import invalid
from towpath_service.work.domain.pattern import PatternWalls
from towpath_service.work.domain.rrule_parts import FIELD, parse_pattern
from towpath_service.work.domain.wall_clock import Reading, instants
from towpath_service.work.domain.zones import EARLIEST, LATEST, find_zone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

    from towpath_service.work.domain.pattern import Pattern
    from towpath_service.work.domain.rules import RecurrenceRule

MAX_LENGTH: Final = 2048
MAX_RULES: Final = 10
_ZONE_FIELD: Final = "recurrence.time_zone"
_START: Final = "20200101T000000"
"""DTSTART of rules without one, as Prefect has it."""
_PROPERTIES: Final = ("DTSTART", "RRULE", "RDATE", "EXDATE")
_TIME: Final = re.compile(r"\d{8}(T\d{6}Z?)?", re.ASCII)
_DAY: Final = timedelta(days=1)


def due_by_recurrence(rule: RecurrenceRule, after: datetime, until: datetime) -> Iterator[datetime]:
    """The instants after one and before another at which a rule is due, ascending.

    Raises:
        ServiceError: INVALID_REQUEST, with the field.
    """
    parsed = _parse(rule)
    return instants(_RecurrenceWalls(parsed), parsed.zone, after, until, Reading.SHIFTED)


def zone_of_recurrence(rule: RecurrenceRule) -> ZoneInfo:
    """The time zone of a rule, which its DTSTART may name, too.

    Raises:
        ServiceError: INVALID_REQUEST, with the field.
    """
    return _parse(rule).zone


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recurrence:
    """A parsed recurrence, in local times of its zone."""

    zone: ZoneInfo
    patterns: tuple[Pattern, ...]
    added: tuple[datetime, ...]
    excluded: frozenset[datetime]
    excluded_days: frozenset[datetime]


@dataclass(frozen=True, slots=True)
class _Line:
    """A property, such as RDATE;VALUE=DATE:20261225."""

    name: str
    zone: str
    value: str


class _RecurrenceWalls:
    """The local times of a recurrence."""

    def __init__(self, recurrence: _Recurrence) -> None:
        self._recurrence = recurrence
        self._patterns = [PatternWalls(pattern) for pattern in recurrence.patterns]

    def between(self, begin: datetime, stop: datetime) -> Iterator[datetime]:
        """Those from `begin` on and before `stop`, ascending."""
        parsed = self._recurrence
        low, high = bisect_left(parsed.added, begin), bisect_left(parsed.added, stop)
        sources = [pattern.between(begin, stop) for pattern in self._patterns]
        for wall in merge(*sources, parsed.added[low:high]):
            day = wall.replace(hour=0, minute=0, second=0)
            if wall not in parsed.excluded and day not in parsed.excluded_days:
                yield wall


@lru_cache(maxsize=4096)
def _parse(rule: RecurrenceRule) -> _Recurrence:
    if len(rule.rrule) > MAX_LENGTH:
        raise invalid(FIELD, f"a recurrence has at most {MAX_LENGTH} characters")
    lines = _lines(rule.rrule)
    zone = _zone(rule, lines)
    starts = [line.value for line in lines if line.name == "DTSTART"] or [_START]
    if len(starts) > 1:
        raise invalid(FIELD, "DTSTART comes once")
    start, _ = _time(starts[0], "DTSTART", zone)
    if not EARLIEST.year <= start.year < LATEST.year:
        raise invalid(FIELD, f"DTSTART takes years from {EARLIEST.year} to {LATEST.year - 1}")
    rules = [line.value for line in lines if line.name == "RRULE"]
    if len(rules) > MAX_RULES:
        raise invalid(FIELD, f"a recurrence has at most {MAX_RULES} RRULE lines")
    added = _times(lines, "RDATE", zone)
    if not rules and not added:
        raise invalid(FIELD, "there is no rule: write one such as RRULE:FREQ=DAILY")
    excluded = _times(lines, "EXDATE", zone)
    return _Recurrence(
        zone=zone,
        patterns=tuple(parse_pattern(text, start, lambda v: _until(v, zone)) for text in rules),
        added=tuple(sorted(wall for wall, _ in added)),
        excluded=frozenset(wall for wall, is_day in excluded if not is_day),
        excluded_days=frozenset(wall for wall, is_day in excluded if is_day),
    )


def _lines(text: str) -> list[_Line]:
    unfolded = re.sub(r"\r?\n[ \t]", "", text.strip())
    return [_line(line) for line in unfolded.split()]


def _line(text: str) -> _Line:
    head, colon, value = text.rpartition(":")
    if not colon:
        head = "RRULE"
    name, *options = head.split(";")
    name = name.upper()
    if name == "EXRULE":
        raise invalid(FIELD, "EXRULE is no longer a part of iCalendar: list the dates as EXDATE")
    if name not in _PROPERTIES:
        raise invalid(FIELD, f"there is no {name[:20]!r}; there are {', '.join(_PROPERTIES)}")
    zone = ""
    for option in options:
        key, _, given = option.partition("=")
        if key.upper() == "TZID" and name != "RRULE":
            zone = given
        elif option.upper() not in {"VALUE=DATE", "VALUE=DATE-TIME"} or name == "RRULE":
            raise invalid(FIELD, f"{name} doesn't take {option[:40]!r}")
    return _Line(name, zone, value.upper())


def _zone(rule: RecurrenceRule, lines: list[_Line]) -> ZoneInfo:
    named = {line.zone for line in lines if line.zone}
    given = rule.time_zone or min(named, default="UTC")
    if named - {given}:
        raise invalid(
            FIELD,
            f"the times have the zone {min(named)[:63]!r}, and the rule has {given[:63]!r}:"
            " give one of them",
        )
    return find_zone(given, FIELD if named else _ZONE_FIELD)


def _times(lines: list[_Line], name: str, zone: ZoneInfo) -> list[tuple[datetime, bool]]:
    return [
        _time(value, name, zone)
        for line in lines
        if line.name == name
        for value in line.value.split(",")
    ]


def _until(text: str, zone: ZoneInfo) -> datetime:
    """The last local time that counts; a date counts to its end."""
    wall, is_day = _time(text, "UNTIL", zone)
    return wall + _DAY - timedelta(microseconds=1) if is_day else wall


def _time(text: str, name: str, zone: ZoneInfo) -> tuple[datetime, bool]:
    """A time as a local time of a zone, and whether it is a date alone."""
    if _TIME.fullmatch(text):
        is_day = "T" not in text
        try:
            wall = datetime.strptime(  # noqa: DTZ007 - local times have no zone
                text.removesuffix("Z"), "%Y%m%d" if is_day else "%Y%m%dT%H%M%S"
            )
            if text.endswith("Z"):
                wall = wall.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None, fold=0)
        except (ValueError, OverflowError):
            pass
        else:
            return wall, is_day
    raise invalid(FIELD, f"{name} {text[:40]!r}: write a time as 20261231T093000")
