"""When schedules are due: the instants of a rule.

All is bounded. A search looks at most 10 years ahead, nothing is due from the year 2300 on, and no
search walks from the start of a rule. Times are microseconds since the Unix epoch, UTC. A search
computes for up to some milliseconds, and for a rule without occurrences for up to a second:
callers run it on a thread.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from towpath_service.core.errors import invalid
from towpath_service.work.domain.cron import due_by_cron
from towpath_service.work.domain.recurring import due_by_recurrence, zone_of_recurrence
from towpath_service.work.domain.rules import CronRule, IntervalRule, RecurrenceRule, Rule
from towpath_service.work.domain.zones import (
    LATEST,
    find_zone,
    first_instant,
    to_instant,
    to_us,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

HORIZON: Final = timedelta(days=3653)
"""How far ahead a due time is searched."""
_SECOND_US: Final = 1_000_000
_HORIZON_US: Final = HORIZON // timedelta(microseconds=1)


def due(rule: Rule, after_us: int, until_us: int) -> Iterator[int]:
    """The instants at which a rule is due, ascending, each once.

    Args:
        rule: The rule.
        after_us: The instant before the first.
        until_us: The last instant that counts.

    Raises:
        ServiceError: INVALID_REQUEST, with the field: the rule is wrong.
    """
    if isinstance(rule, IntervalRule):
        return _due_by_interval(rule, after_us, min(until_us, to_us(LATEST)))
    after, until = to_instant(after_us), to_instant(until_us + 1)
    if isinstance(rule, CronRule):
        return map(to_us, due_by_cron(rule, after, until))
    return map(to_us, due_by_recurrence(rule, after, until))


@lru_cache(maxsize=4096)
def next_due(rule: Rule, after_us: int) -> int | None:
    """The first instant after another at which a rule is due; None for none in 10 years.

    Many schedules have the same rule, and those of a tick ask from the same instants on.

    Raises:
        ServiceError: INVALID_REQUEST, with the field: the rule is wrong.
    """
    return next(due(rule, after_us, after_us + _HORIZON_US), None)


def due_within(rule: Rule, begin: datetime, end: datetime) -> Iterator[int]:
    """The instants at which a rule is due from one local time on and before another.

    Args:
        rule: The rule, whose zone is that of both times; UTC for an interval.
        begin: Local time of the first instant, without a zone.
        end: Local time of the first instant that is out, without a zone.

    Raises:
        ServiceError: INVALID_REQUEST, with the field: the rule is wrong.
    """
    zone = zone_of(rule)
    first, stop = first_instant(zone, begin), first_instant(zone, end)
    return due(rule, to_us(first) - 1, to_us(stop) - 1)


def check_rule(rule: Rule, now_us: int) -> None:
    """Checks a rule that is given for a schedule.

    Args:
        rule: The rule.
        now_us: The present.

    Raises:
        ServiceError: INVALID_REQUEST, with the field: it is wrong, or never due in 10 years.
    """
    if isinstance(rule, IntervalRule) and not _SECOND_US <= rule.interval_us <= _HORIZON_US:
        raise invalid("interval.interval", "an interval takes one second to 10 years")
    if next_due(rule, now_us) is None:
        field = "cron.expression" if isinstance(rule, CronRule) else "recurrence.rrule"
        raise invalid(field, "the rule has no due time in the next 10 years")


def zone_of(rule: Rule) -> ZoneInfo:
    """The time zone of a rule; UTC for an interval.

    Raises:
        ServiceError: INVALID_REQUEST, with the field: there is no such zone.
    """
    match rule:
        case CronRule():
            return find_zone(rule.time_zone, "cron.time_zone")
        case RecurrenceRule():
            return zone_of_recurrence(rule)
        case IntervalRule():
            return find_zone("UTC", "")


def _due_by_interval(rule: IntervalRule, after_us: int, until_us: int) -> Iterator[int]:
    interval_us = max(1, rule.interval_us)
    first_us = after_us + interval_us - (after_us - rule.anchor_us) % interval_us
    return iter(range(first_us, until_us + 1, interval_us))
