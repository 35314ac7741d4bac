"""Schedules of project files."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from towpath._definitions.slugs import by_slug
from towpath._deploy.entries import Entry, EntryError
from towpath.exceptions import DefinitionError
from towpath.schedules import Cron, Interval, RRule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towpath.schedules import Schedule

_KINDS: Final = ("cron", "interval", "rrule")
_SHARED: Final = (
    *("timezone", "active", "parameters", "slug", "overlap", "catch_up", "catch_up_window"),
    *("jitter", "start_deadline"),
)
_OWN: Final[Mapping[str, tuple[str, ...]]] = {
    "cron": ("day_or",),
    "interval": ("anchor_date",),
    "rrule": (),
}


def schedules_in(entry: Entry) -> Mapping[str, Schedule]:
    """Returns the schedules of a deployment's entry by id: of `schedules`, or of `schedule`.

    Raises:
        EntryError: One is wrong.
    """
    single = entry.part("schedule")
    several = entry.entries("schedules")
    if single and several:
        raise EntryError("give schedule or schedules, not both", entry.line)
    found = [_schedule(each) for each in ([single] if single else several)]
    try:
        return by_slug(found)
    except DefinitionError as error:
        raise EntryError(str(error), entry.line) from None


def _schedule(entry: Entry) -> Schedule:
    kinds = [kind for kind in _KINDS if entry.get(kind) is not None]
    if len(kinds) != 1:
        raise EntryError("a schedule has one of cron, interval and rrule", entry.line)
    kind = kinds[0]
    entry.only((kind, *_SHARED, *_OWN[kind]))
    options: dict[str, Any] = {
        name: entry[name] for name in (*_SHARED, *_OWN[kind]) if entry.get(name) is not None
    }
    if "anchor_date" in options:
        options["anchor_date"] = _moment(options["anchor_date"], entry.line)
    try:
        return _made(kind, entry[kind], options)
    except DefinitionError as error:
        raise EntryError(str(error), entry.line) from None


def _made(kind: str, rule: Any, options: dict[str, Any]) -> Schedule:
    if kind == "cron":
        return Cron(rule, **options)
    return Interval(rule, **options) if kind == "interval" else RRule(rule, **options)


def _moment(written: Any, line: int) -> datetime:
    try:
        return datetime.fromisoformat(written)
    except (TypeError, ValueError):
        raise EntryError(
            f"anchor_date is a time such as 2026-01-01T00:00:00Z, not {written!r}", line
        ) from None
