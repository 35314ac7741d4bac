"""The rules of schedules, as values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CronRule:
    """A cron rule: local times of a zone.

    It is fixed if neither minute nor hour begins with "*". A fixed local time that comes twice is
    due the first time; one that a clock change skips is due once, at the first instant after the
    gap. With any other rule each instant is due whose local time matches.
    """

    expression: str
    """Minute, hour, day of month, month, day of week; or a name such as "@daily"."""
    time_zone: str = "UTC"
    """IANA name; empty means UTC."""
    day_or: bool = True
    """Whether one of the two days suffices where neither begins with "*"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalRule:
    """A fixed interval between instants, without a wall clock."""

    interval_us: int
    anchor_us: int = 0
    """An instant that is due, before or after which the others lie."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecurrenceRule:
    """A recurrence of RFC 5545: local times of a zone.

    A local time that comes twice is due the first time. One that a clock change skips is due at
    the instant that the offset before the gap gives.
    """

    rrule: str
    """RRULE lines, with DTSTART, RDATE and EXDATE."""
    time_zone: str = "UTC"
    """IANA name; empty means the zone of DTSTART, or UTC."""


Rule = CronRule | IntervalRule | RecurrenceRule
