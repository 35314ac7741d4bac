"""Schedules, as they are stored, and how a change moves their next due time.

Times while a schedule or its deployment is paused are never caught up: they are recorded when it is
resumed. A changed rule holds from now on. Computing a due time takes up to a second at worst:
callers run these functions on a thread.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from towpath_service.core.errors import invalid
from towpath_service.work.domain.recurrence import check_rule, due, zone_of
from towpath_service.work.domain.rules import CronRule, IntervalRule, RecurrenceRule, Rule
from towpath_service.work.domain.slot_policy import (
    DAY_US,
    CatchUp,
    Overlap,
    ScheduleState,
    SlotOutcome,
    SlotPolicy,
    Unfinished,
    check_policy,
    decide,
    jitter_of,
    next_slot,
)
from towpath_service.work.domain.zones import zone_data_version

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from towpath_service.work.domain.names import ScheduleName
    from towpath_service.work.domain.slot_policy import Decision

MOST_SCHEDULES: Final = 10_000
"""Most schedules of a tenant."""
MOST_OF_DEPLOYMENT: Final = 100
"""Most schedules of a deployment."""
NEXT_TIMES: Final = 5
"""Due times that a schedule is shown with."""
_AHEAD_US: Final = 3653 * DAY_US
_KINDS: Final[dict[str, type[CronRule | IntervalRule | RecurrenceRule]]] = {
    "cron": CronRule,
    "interval": IntervalRule,
    "recurrence": RecurrenceRule,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleContent:
    """The part of a schedule that its author gives."""

    rule: Rule
    label: str = ""
    parameters: str = ""
    """JSON object, merged over the deployment's; empty for none."""
    paused: bool = False
    overlap: Overlap = Overlap.ALLOW
    catch_up: CatchUp = CatchUp.LATEST
    catch_up_window_us: int = DAY_US
    jitter_us: int = 0
    start_deadline_us: int | None = None
    """How late a run may start; None for the deployment's."""
    begin_us: int | None = None
    """No runs before; None for no such time."""
    end_us: int | None = None
    """No runs at this time or later; None for no such time."""

    @property
    def policy(self) -> SlotPolicy:
        """Its policies."""
        return SlotPolicy(
            overlap=self.overlap,
            catch_up=self.catch_up,
            catch_up_window_us=self.catch_up_window_us,
            jitter_us=self.jitter_us,
            start_deadline_us=self.start_deadline_us,
        )

    def has_times_of(self, other: ScheduleContent) -> bool:
        """Whether it is due at the same times as another."""
        return all(
            getattr(self, name) == getattr(other, name)
            for name in ("rule", "jitter_us", "begin_us", "end_us")
        )

    def to_json(self) -> str:
        """Its text, equal for equal contents."""
        kind = next(name for name, type_ in _KINDS.items() if isinstance(self.rule, type_))
        known = {**asdict(self), "kind": kind}
        return json.dumps(known, separators=(",", ":"), sort_keys=True)

    @staticmethod
    def from_json(text: str) -> ScheduleContent:
        """The content of a text of `to_json`."""
        known: dict[str, Any] = json.loads(text)
        known["rule"] = _KINDS[known.pop("kind")](**known["rule"])
        known["overlap"] = Overlap(known["overlap"])
        known["catch_up"] = CatchUp(known["catch_up"])
        return ScheduleContent(**known)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The times at which a deployment runs by itself."""

    name: ScheduleName
    content: ScheduleContent
    zone_version: str = ""
    """Version of the zone data that `next_due_us` was computed with."""
    next_due_us: int | None = None
    """Its next due time; None when it, or its deployment, is paused, or at its end."""
    wake_us: int | None = None
    """The next due time with its jitter."""
    decided_us: int
    """Due times up to here are decided."""
    revision: int = 1
    created_us: int
    updated_us: int

    @property
    def etag(self) -> str:
        """Changes with every change of the schedule."""
        return f"{self.created_us}.{self.revision}"

    def state(self, *, paused: bool = False) -> ScheduleState:
        """The part of it that decisions read."""
        content = self.content
        return ScheduleState(
            key=str(self.name),
            rule=content.rule,
            policy=content.policy,
            decided_us=self.decided_us,
            paused=paused or content.paused,
            begin_us=content.begin_us,
            end_us=content.end_us,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A due time, or a stretch of them, with its decision."""

    slot_us: int
    outcome: SlotOutcome
    run_id: str | None = None
    count: int = 1
    message: str = ""
    decided_us: int


def check_schedule(content: ScheduleContent, now_us: int) -> None:
    """Checks the content of a schedule, but for its arguments.

    Raises:
        ServiceError: INVALID_REQUEST, with the field.
    """
    check_rule(content.rule, now_us)
    check_policy(content.policy)
    if None not in {content.begin_us, content.end_us} and _ends_first(content):
        raise invalid("end_time", "must be after start_time")


def new_schedule(
    name: ScheduleName, content: ScheduleContent, *, deployment_paused: bool, now_us: int
) -> Schedule:
    """A schedule from now on."""
    bare = Schedule(
        name=name, content=content, decided_us=now_us, created_us=now_us, updated_us=now_us
    )
    return bare if deployment_paused or content.paused else _planned(bare, now_us)


def revised(
    was: Schedule,
    content: ScheduleContent,
    *,
    paused_before: bool,
    paused_now: bool,
    now_us: int,
) -> tuple[Schedule, Sequence[Decision]]:
    """A schedule with another content, or after its deployment was paused or resumed.

    Args:
        was: The schedule as it was.
        content: Its new content, or the same.
        paused_before: Whether its deployment was paused.
        paused_now: Whether its deployment is paused.
        now_us: The present.

    Returns:
        The schedule, and the decisions on due times at which it was paused.
    """
    now = was
    if content != was.content:
        now = replace(was, content=content, revision=was.revision + 1, updated_us=now_us)
    same_times = content.has_times_of(was.content)
    if content.paused or paused_now:
        decided_us = was.decided_us if same_times else now_us
        return replace(now, next_due_us=None, wake_us=None, decided_us=decided_us), ()
    if not same_times:
        return _planned(now, now_us), ()
    if was.content.paused or paused_before:
        skipped = decide(was.state(paused=True), Unfinished(), now_us)
        return _planned(now, now_us), skipped.decisions
    return now, ()


def times(
    content: ScheduleContent, key: str, after_us: int, until_us: int | None, most: int
) -> list[int]:
    """The next times at which a schedule runs: its due times with their jitter.

    Args:
        content: The schedule.
        key: Its resource name, from which the jitter follows.
        after_us: Due times up to here are left out.
        until_us: The first due time that is left out at the end; None for no end.
        most: Most times.

    Raises:
        ServiceError: INVALID_REQUEST, with the field: the rule is wrong.
    """
    ends = [end for end in (until_us, content.end_us) if end is not None]
    last_us = min([after_us + _AHEAD_US, *(end - 1 for end in ends)])
    first_us = after_us if content.begin_us is None else max(after_us, content.begin_us - 1)
    slots = islice(_due_or_error(content.rule, first_us, last_us), most)
    return [slot_us + jitter_of(key, slot_us, content.jitter_us) for slot_us in slots]


def _due_or_error(rule: Rule, after_us: int, until_us: int) -> Iterator[int]:
    zone_of(rule)
    return due(rule, after_us, until_us)


def _planned(schedule: Schedule, now_us: int) -> Schedule:
    """A schedule that is due from now on."""
    decided = replace(schedule, decided_us=now_us)
    plan = next_slot(decided.state())
    return replace(
        decided,
        next_due_us=plan.next_due_us,
        wake_us=plan.wake_us,
        zone_version=zone_data_version(),
    )


def _ends_first(content: ScheduleContent) -> bool:
    assert content.begin_us is not None
    assert content.end_us is not None
    return content.end_us <= content.begin_us
