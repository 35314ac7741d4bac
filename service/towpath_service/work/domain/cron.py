"""Cron expressions: parsing, and the local times that they name.

cronsim matches local times without a zone. `wall_clock` turns them into instants: with zones,
cronsim answers with times before the one that was asked for, or leaves some out.
"""

from __future__ import annotations

from copy import copy
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from cronsim import CronSim, CronSimError

from towpath_service.core.errors import invalid
from towpath_service.work.domain.wall_clock import Reading, instants
from towpath_service.work.domain.zones import find_zone

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from towpath_service.work.domain.rules import CronRule

MAX_LENGTH: Final = 255
_FIELD: Final = "cron.expression"
_NAMED: Final[Mapping[str, str]] = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_PARTS: Final = (
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of month", "1 to 31, L for the last, LW for the last weekday"),
    ("month", "1 to 12, or JAN to DEC"),
    ("day of week", "0 to 7 (0 and 7 are Sunday), SUN to SAT, 5#2 for the second Friday, 5L"),
)
_START: Final = datetime(2000, 1, 1)  # noqa: DTZ001 - local times are without a zone
_SECOND: Final = timedelta(seconds=1)


def due_by_cron(rule: CronRule, after: datetime, until: datetime) -> Iterator[datetime]:
    """The instants after one and before another at which a rule is due, ascending.

    Raises:
        ServiceError: INVALID_REQUEST, with the field.
    """
    expression = expand(rule.expression)
    zone = find_zone(rule.time_zone, "cron.time_zone")
    walls = _CronWalls(_parse(expression, rule.day_or))
    # A fixed time is meant by the clock on the wall; the others are intervals of a kind.
    fixed = not any(part.startswith("*") for part in expression.split()[:2])
    reading = Reading.ONCE if fixed else Reading.EVERY
    return instants(walls, zone, after, until, reading)


def expand(expression: str) -> str:
    """Returns the five fields of an expression, which may be a name such as "@daily".

    Raises:
        ServiceError: INVALID_REQUEST: it is too long, or a name that means nothing here.
    """
    given = expression.strip()
    if len(given) > MAX_LENGTH:
        raise invalid(_FIELD, f"an expression has at most {MAX_LENGTH} characters")
    if not given.startswith("@"):
        return given
    if given.lower() == "@reboot":
        raise invalid(_FIELD, "@reboot is no time: run the deployment where the machine starts")
    named = _NAMED.get(given.lower())
    if named is None:
        raise invalid(_FIELD, f"there is no {given[:20]!r}; there are {', '.join(_NAMED)}")
    return named


class _CronWalls:
    """The local times of a parsed expression; for one caller at a time."""

    def __init__(self, parsed: CronSim) -> None:
        self._parsed = self._matcher = parsed
        # Nothing matches from `_since` on and before `_next`.
        self._since = datetime.max  # noqa: DTZ901
        self._next = datetime.min  # noqa: DTZ901

    def between(self, begin: datetime, stop: datetime) -> Iterator[datetime]:
        """Those from `begin` on and before `stop`, ascending."""
        first = begin if begin.microsecond == 0 else begin.replace(microsecond=0) + _SECOND
        if not self._since <= first <= self._next:
            self._matcher = copy(self._parsed)
            self._matcher.dt = first - _SECOND
            self._move(first)
        while self._next < stop:
            wall = self._next
            self._move(wall + _SECOND)
            yield wall

    def _move(self, since: datetime) -> None:
        # cronsim gives up after 50 years without a match.
        self._since, self._next = since, next(self._matcher, datetime.max)  # noqa: DTZ901


@lru_cache(maxsize=4096)
def _parse(expression: str, day_or: bool) -> CronSim:
    fields = expression.split()
    if len(fields) == len(_PARTS) + 1:
        raise invalid(_FIELD, "seconds are not supported: use an interval")
    if len(fields) != len(_PARTS):
        names = ", ".join(name for name, _ in _PARTS)
        raise invalid(_FIELD, f"an expression has five fields ({names}), not {len(fields)}")
    try:
        parsed = CronSim(expression, _START)
    except CronSimError:
        raise invalid(_FIELD, _problem(fields)) from None
    if not day_or:
        parsed.day_and = True
    return parsed


def _problem(fields: list[str]) -> str:
    """The sentence on an expression that can't be parsed: the field at fault, or the date."""
    for number, (given, (name, takes)) in enumerate(zip(fields, _PARTS, strict=True)):
        alone = ["*"] * len(_PARTS)
        alone[number] = given
        try:
            CronSim(" ".join(alone), _START)
        except CronSimError:
            return f"{name} {given[:40]!r}: it takes {takes}, with * , - and /"
    return f"day of month {fields[2]!r} never comes in month {fields[3]!r}"
