"""Ids of schedules and deployments that follow from their rules and names."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from towpath._definitions.flow_ids import flow_id_of
from towpath.exceptions import DefinitionError
from towpath.schedules import Cron, Interval, RRule

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from towpath.schedules import Schedule

_ID: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_DIGITS: Final = 8
_LONGEST: Final = 63


def deployment_id_of(name: str) -> str:
    """Returns the id of a deployment's name: itself, or a readable part and a hash of the name."""
    if _ID.fullmatch(name):
        return name
    return flow_id_of(f"{name} ")  # The space asks for the form with a hash.


def queue_id_of(flow_id: str, deployment_id: str) -> str:
    """Returns the id of the queue that only one deployment uses."""
    digest = _digest([flow_id, deployment_id])
    room = _LONGEST - _DIGITS - 1
    return f"{f'{flow_id}-{deployment_id}'[:room].rstrip('-')}-{digest}"


def by_slug(schedules: Iterable[Schedule]) -> Mapping[str, Schedule]:
    """Returns schedules by id: their own slugs, else slugs that follow from their rules.

    Of several with the same rule, the later ones' slugs follow from their arguments, too.

    Raises:
        DefinitionError: Two schedules have the same slug, or the same rule and arguments.
    """
    found: dict[str, Schedule] = {}
    whole: set[str] = set()
    for schedule in sorted(schedules, key=lambda each: each.slug is None):
        slug = schedule.slug or slug_of(schedule)
        whole_slug = schedule.slug or slug_of(schedule, with_parameters=True)
        if slug in found and schedule.slug is None:
            slug = whole_slug
        if slug in found or whole_slug in whole:
            raise DefinitionError(
                f"two schedules have the slug {slug!r}: give each a slug= of its own, or leave one"
                " out"
            )
        found[slug] = schedule
        whole.add(whole_slug)
    return found


def slug_of(schedule: Schedule, *, with_parameters: bool = False) -> str:
    """Returns the slug that follows from a schedule's rule, such as "cron-1f0c8a35".

    Policies and the active flag don't count, so that changing them doesn't make a new schedule.

    Args:
        schedule: The schedule.
        with_parameters: Whether its arguments count, too.
    """
    kind, rule = _rule_of(schedule)
    counted = [rule, dict(schedule.parameters)] if with_parameters else [rule]
    return f"{kind}-{_digest(counted)}"


def _rule_of(schedule: Schedule) -> tuple[str, list[Any]]:
    match schedule:
        case Cron():
            return "cron", [" ".join(schedule.cron.split()), schedule.timezone, schedule.day_or]
        case Interval():
            return "every", [_seconds(schedule.interval), _anchor(schedule)]
        case RRule():
            return "rrule", [schedule.rrule.strip(), schedule.timezone]
        case _:
            raise DefinitionError(f"{schedule!r} is no Cron, Interval or RRule")


def _seconds(span: timedelta | float) -> float:
    return span.total_seconds() if isinstance(span, timedelta) else float(span)


def _anchor(schedule: Interval) -> str:
    anchor = schedule.anchor_date
    if anchor is None:
        return ""
    if anchor.tzinfo is None:
        anchor = _in_zone(anchor, schedule.timezone)
    return anchor.astimezone(UTC).isoformat()


def _in_zone(moment: datetime, zone: str) -> datetime:
    try:
        return moment.replace(tzinfo=ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError):
        raise DefinitionError(
            f"there is no time zone {zone!r}: write one such as 'Europe/London'"
        ) from None


def _digest(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, default=repr)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
