"""Backfills: runs of a deployment for due times of the past, as they are stored."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from itertools import islice
from typing import TYPE_CHECKING, Final

from towpath_service.core.errors import invalid
from towpath_service.work.domain.recurrence import due, zone_of

if TYPE_CHECKING:
    from towpath_service.work.domain.names import BackfillName, DeploymentName, ScheduleName
    from towpath_service.work.domain.rules import Rule

MOST_TIMES: Final = 10_000
"""Most due times of a backfill."""
MOST_ACTIVE: Final = 100
"""Most backfills of a tenant that create runs."""


class BackfillState(IntEnum):
    """Progress of a backfill, numbered as in the contract."""

    ACTIVE = 1
    DONE = 2
    CANCELLED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """Runs of a deployment for a range of time."""

    name: BackfillName
    schedule: ScheduleName
    """Gives the due times."""
    start_us: int
    """First time, inclusive."""
    end_us: int
    """Last time, exclusive."""
    max_active: int
    """Most unfinished runs at once."""
    parameters: str = ""
    """JSON object, merged over those of the deployment and the schedule; empty for none."""
    total: int = 0
    """Due times in all."""
    created: int = 0
    """Runs created so far."""
    next_us: int
    """Due times before this have their run."""
    state: BackfillState = BackfillState.ACTIVE
    creator: str
    created_us: int
    ended_us: int | None = None

    @property
    def deployment(self) -> DeploymentName:
        """The deployment whose runs it creates."""
        return self.schedule.deployment


def times_of(rule: Rule, start_us: int, end_us: int, most: int = MOST_TIMES) -> list[int]:
    """The due times of a rule in a range, at most some.

    Args:
        rule: The rule.
        start_us: First time, inclusive.
        end_us: Last time, exclusive.
        most: Most due times.

    Raises:
        ServiceError: INVALID_REQUEST: the rule can't be read any more.
    """
    zone_of(rule)
    return list(islice(due(rule, start_us - 1, end_us - 1), most))


def checked_times(rule: Rule, start_us: int, end_us: int) -> list[int]:
    """The due times of a new backfill.

    Raises:
        ServiceError: INVALID_REQUEST: there are none, or too many.
    """
    if end_us <= start_us:
        raise invalid("backfill.end_time", "must be after start_time")
    times = times_of(rule, start_us, end_us, MOST_TIMES + 1)
    if not times:
        raise invalid("backfill.start_time", "the schedule has no due time in the range")
    if len(times) > MOST_TIMES:
        raise invalid("backfill.end_time", f"the range has more than {MOST_TIMES} due times")
    return times
