"""From local times to instants, across changes of the clock.

A rule names local times ("walls"): dates and times without a zone. A zone has each of them once,
except around changes of its offset: clocks that go forward skip some, clocks that go back repeat
some. `Reading` says what a rule means by those.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum, auto
from heapq import merge
from typing import TYPE_CHECKING, Final, Protocol

from towpath_service.work.domain.zones import Segment, instant_of, segments, wall_at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

_LOOKBACK: Final = timedelta(days=2)
"""Longer than the longest gap, a whole day: a change of the clock has no effect after it."""


class Reading(Enum):
    """What a rule means by local times that come twice or not at all."""

    EVERY = auto()
    """Each instant with a matching local time; a local time that is skipped doesn't come."""
    ONCE = auto()
    """Repeated: the first time. Skipped: all of a gap once, at the first instant after it."""
    SHIFTED = auto()
    """Repeated: the first time. Skipped: each by the offset before the gap (RFC 5545, 3.3.5)."""


class Walls(Protocol):
    """The local times of a rule."""

    def between(self, begin: datetime, stop: datetime) -> Iterator[datetime]:
        """Those from `begin` on and before `stop`, ascending."""
        ...


def instants(
    walls: Walls, zone: ZoneInfo, after: datetime, until: datetime, reading: Reading
) -> Iterator[datetime]:
    """The instants that a rule's local times mean, ascending, each once.

    Args:
        walls: The local times of the rule.
        zone: Their zone.
        after: Instant before the first, in UTC.
        until: First instant that is out, in UTC.
        reading: What repeated and skipped local times mean.
    """
    last, before = after, None
    covered = datetime.min  # noqa: DTZ901 - local times are without a zone
    for segment in segments(zone, after - _LOOKBACK, until):
        if segment.end > after:
            for instant in _of_segment(walls, segment, before, covered, after, reading):
                if last < instant < until:
                    last = instant
                    yield instant
        before, covered = segment, max(covered, segment.stop_wall)


def _of_segment(
    walls: Walls,
    segment: Segment,
    before: Segment | None,
    covered: datetime,
    after: datetime,
    reading: Reading,
) -> Iterator[datetime]:
    """The instants of a segment.

    Args:
        walls: The local times of the rule.
        segment: The segment.
        before: The segment before it.
        covered: Up to here, local times have come before.
        after: Earlier instants aren't asked for.
        reading: What repeated and skipped local times mean.
    """
    begin = max(segment.first_wall, wall_at(after, segment.offset))
    if reading is not Reading.EVERY:
        begin = max(begin, covered)
    regular = (instant_of(wall, segment.offset) for wall in walls.between(begin, segment.stop_wall))
    if before is None or covered >= segment.first_wall or reading is Reading.EVERY:
        return regular
    skipped = walls.between(covered, segment.first_wall)
    if reading is Reading.SHIFTED:
        shifted = [instant_of(wall, before.offset) for wall in skipped]
        return merge(shifted, regular)
    once = [segment.begin] if next(skipped, None) is not None else []
    return merge(once, regular)
