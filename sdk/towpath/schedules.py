"""Schedules: when a deployment runs by itself.

    Cron("0 2 * * *", timezone="Europe/London", overlap="skip")
    Interval(timedelta(minutes=15), jitter=60)
    RRule("FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=18;BYMINUTE=0", timezone="America/New_York")

These are values. Each checks its arguments' types; the service checks the rule itself when the
schedule is deployed. Spans of time are timedeltas or numbers of seconds.
"""

from __future__ import annotations

import difflib
import math
import re
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from towpath._prefect_names.refusals import refusing
from towpath.exceptions import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Cron", "Interval", "RRule", "Schedule"]

if not TYPE_CHECKING:
    __getattr__ = refusing(__name__)

Overlap = Literal["allow", "skip", "queue_one", "queue", "cancel_running"]
CatchUp = Literal["latest", "none", "all"]

_DAY: Final = timedelta(days=1)
_NONE: Final = timedelta()
_FIELDS: Final = 5
_SLUG: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Schedule:
    """What all schedules have; make a Cron, an Interval or an RRule.

    Args:
        timezone: IANA name of the zone of the rule's local times.
        active: Whether the schedule creates runs.
        parameters: Arguments of its runs, over those of the deployment.
        slug: The schedule's id within the deployment: lower-case letters, digits and dashes. By
            default it follows from the rule.
        overlap: What happens at a due time while earlier runs of the schedule are unfinished.
            "allow" starts the run all the same, "skip" leaves the time out, "queue" has the run
            wait for the others, "queue_one" does so for one run at most, and "cancel_running"
            cancels the others first.
        catch_up: What happens to due times at which the service was down. "latest" runs the newest,
            "none" leaves them out, "all" runs each, at most 1,000.
        catch_up_window: How far back due times are caught up.
        jitter: Span over which runs are spread. Each due time has a delay of its own within it.
        start_deadline: How late a run may begin; None for no limit.

    Raises:
        DefinitionError: An argument has a wrong type, or a value that no schedule can have.
    """

    _: KW_ONLY
    timezone: str = "UTC"
    active: bool = True
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)
    slug: str | None = None
    overlap: Overlap = "allow"
    catch_up: CatchUp = "latest"
    catch_up_window: timedelta | float = _DAY
    jitter: timedelta | float = _NONE
    start_deadline: timedelta | float | None = None

    def __post_init__(self) -> None:
        """Checks the arguments, and turns spans into timedeltas."""
        if type(self) is Schedule:
            raise DefinitionError("a schedule is a Cron, an Interval or an RRule")
        self._check_text("timezone", self.timezone, "such as 'Europe/London'")
        self._check_flag("active", self.active)
        self._set("parameters", self._checked_parameters())
        slug: Any = self.slug
        if slug is not None and not (isinstance(slug, str) and _SLUG.fullmatch(slug)):
            raise self._error("slug", slug, "1 to 63 lower-case letters, digits and dashes")
        self._check_choice("overlap", self.overlap, get_args(Overlap))
        self._check_choice("catch_up", self.catch_up, get_args(CatchUp))
        self._set("catch_up_window", self._span("catch_up_window", self.catch_up_window, _NONE))
        self._set("jitter", self._span("jitter", self.jitter, _NONE))
        if self.start_deadline is not None:
            least = timedelta(seconds=1)
            self._set("start_deadline", self._span("start_deadline", self.start_deadline, least))
        self._check_rule()

    def _check_rule(self) -> None:
        """Checks the arguments of the rule itself."""

    def _checked_parameters(self) -> dict[str, Any]:
        given: Any = self.parameters
        copied: dict[Any, Any] = {None: None}
        with suppress(TypeError, ValueError):
            copied = dict(given)
        if not all(isinstance(name, str) for name in copied):
            raise self._error("parameters", given, "arguments by name, as in {'day': 'monday'}")
        return copied

    def _check_text(self, name: str, value: Any, example: str) -> None:
        if not isinstance(value, str) or not value.strip():
            raise self._error(name, value, f"a text, {example}")

    def _check_flag(self, name: str, value: Any) -> None:
        if not isinstance(value, bool):
            raise self._error(name, value, "True or False")

    def _check_choice(self, name: str, value: Any, choices: tuple[str, ...]) -> None:
        if value not in choices:
            close = difflib.get_close_matches(str(value), choices, 1)
            hint = f": did you mean {close[0]!r}?" if close else ""
            raise self._error(name, value, f"one of {', '.join(choices)}", hint)

    def _span(self, name: str, value: Any, least: timedelta) -> timedelta:
        """Turns a span into a timedelta."""
        span = value
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            with suppress(OverflowError):
                span = timedelta(seconds=value)
        if not isinstance(span, timedelta) or span < least:
            wanted = f"a timedelta or a number of seconds, at least {least.total_seconds():g}"
            raise self._error(name, value, wanted)
        return span

    def _error(self, name: str, value: object, wanted: str, hint: str = "") -> DefinitionError:
        rule = type(self).__name__
        return DefinitionError(f"{name} of {rule} is {wanted}, not {value!r}{hint}")

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)


@dataclass(frozen=True, slots=True)
class Cron(Schedule):
    """A schedule of local times, by a cron expression.

    Args:
        cron: Minute, hour, day of month, month and day of week, such as "30 6 * * 1-5"; or
            "@hourly", "@daily", "@weekly", "@monthly" or "@yearly".
        day_or: Whether one of the two days suffices where neither begins with "*".
    """

    cron: str
    _: KW_ONLY
    day_or: bool = True

    def _check_rule(self) -> None:
        self._check_text("cron", self.cron, "such as '30 6 * * 1-5'")
        self._check_flag("day_or", self.day_or)
        number = len(self.cron.split())
        if self.cron.strip().startswith("@"):
            return
        if number == _FIELDS + 1:
            raise DefinitionError(
                f"cron {self.cron!r} has a field for seconds, which are not supported: use Interval"
            )
        if number != _FIELDS:
            raise DefinitionError(
                f"cron {self.cron!r} has {number} fields, not 5: minute, hour, day of month, month,"
                " day of week"
            )


@dataclass(frozen=True, slots=True)
class Interval(Schedule):
    """A schedule of instants at a fixed distance, whatever the clock on the wall says.

    Args:
        interval: The distance, at least one second.
        anchor_date: A due time, which fixes all others. Without a zone it is a local time of
            `timezone`. By default it is the Unix epoch.
    """

    interval: timedelta | float
    _: KW_ONLY
    anchor_date: datetime | None = None

    def _check_rule(self) -> None:
        self._set("interval", self._span("interval", self.interval, timedelta(seconds=1)))
        anchor: Any = self.anchor_date
        if anchor is not None and not isinstance(anchor, datetime):
            raise self._error("anchor_date", anchor, "a datetime")


@dataclass(frozen=True, slots=True)
class RRule(Schedule):
    """A schedule of local times, by a recurrence of iCalendar (RFC 5545).

    Args:
        rrule: The rule, such as "FREQ=WEEKLY;BYDAY=MO", with DTSTART, RDATE and EXDATE lines if
            wanted. Without DTSTART it begins on 1 January 2020 at midnight.
    """

    rrule: str

    def _check_rule(self) -> None:
        self._check_text("rrule", self.rrule, "such as 'FREQ=WEEKLY;BYDAY=MO'")
        if "FREQ=SECONDLY" in self.rrule.upper():
            raise DefinitionError(f"rrule {self.rrule!r}: seconds are not supported: use Interval")
