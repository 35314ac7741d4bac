"""Time zones, and the spans of time in which their offset from UTC stays the same.

The zones come from the `tzdata` package alone, never from the machine: replicas with the same
packages agree on every due time, and the version of the data is known.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from towpath_service.core.errors import invalid

if TYPE_CHECKING:
    from collections.abc import Iterator

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_SECOND: Final = timedelta(seconds=1)
_STEP: Final = timedelta(hours=12)
"""No zone changes its offset twice within this time and is then as before."""
EARLIEST: Final = datetime(1900, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2300, 1, 1, tzinfo=UTC)
"""Nothing is due at or after this instant."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A span of time in which the offset of a zone stays the same."""

    begin: datetime
    """Its first instant, in UTC."""
    end: datetime
    """The first instant after it, in UTC; the offset may change there, or not."""
    offset: timedelta
    """Local time minus UTC."""

    @property
    def first_wall(self) -> datetime:
        """The local time at its begin, without a zone."""
        return wall_at(self.begin, self.offset)

    @property
    def stop_wall(self) -> datetime:
        """The local time that would come at its end, without a zone."""
        return wall_at(self.end, self.offset)


def to_instant(us: int) -> datetime:
    """Converts microseconds since the epoch; times out of range become the nearest in range."""
    low, high = to_us(EARLIEST), to_us(LATEST)
    return _EPOCH + timedelta(microseconds=min(max(us, low), high))


def to_us(instant: datetime) -> int:
    """Converts an instant to microseconds since the epoch."""
    return (instant - _EPOCH) // _MICROSECOND


def wall_at(instant: datetime, offset: timedelta) -> datetime:
    """The local time at an instant, without a zone."""
    return instant.replace(tzinfo=None) + offset


def instant_of(wall: datetime, offset: timedelta) -> datetime:
    """The instant at which a local time of that offset comes."""
    return (wall - offset).replace(tzinfo=UTC)


@lru_cache(maxsize=1)
def zone_data_version() -> str:
    """The version of the zone data of this process, such as "tzdata 2026.6".

    It is read once, as zones are: a package that is replaced meanwhile has no effect. Due times
    computed with another version may differ, and need to be computed again.
    """
    return f"tzdata {version('tzdata')}"


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """The names of all time zones."""
    return frozenset((files("tzdata") / "zones").read_text("utf-8").split())


def find_zone(name: str, field: str) -> ZoneInfo:
    """Returns the time zone of a name; an empty name means UTC.

    Args:
        name: An IANA name, such as "Europe/London".
        field: The field that it was given in, for the error.

    Raises:
        ServiceError: INVALID_REQUEST, with the nearest names.
    """
    if not name:
        return _load("UTC")
    if name not in zone_names():
        near = _nearest(name)
        hint = f": did you mean {' or '.join(near)}?" if near else ', such as "Europe/London"'
        raise invalid(field, f"{name[:63]!r} is no IANA time zone{hint}")
    return _load(name)


def _nearest(name: str) -> list[str]:
    """The names that are like a wrong one, by the whole name or by the city."""
    wanted = name.strip().replace(" ", "_").lower()
    by_text: dict[str, str] = {}
    for known in sorted(zone_names()):
        by_text.setdefault(known.rpartition("/")[2].lower(), known)
    by_text.update((known.lower(), known) for known in zone_names())
    close = difflib.get_close_matches(wanted, sorted(by_text), 6)
    return list(dict.fromkeys(by_text[text] for text in close))[:3]


@lru_cache(maxsize=1024)
def _load(name: str) -> ZoneInfo:
    file = files("tzdata").joinpath("zoneinfo", *name.split("/"))
    with file.open("rb") as data:
        return ZoneInfo.from_file(data, key=name)


def segments(zone: ZoneInfo, begin: datetime, end: datetime) -> Iterator[Segment]:
    """The segments from one instant to another, in order and without gaps.

    Args:
        zone: A zone of `find_zone`.
        begin: First instant, in UTC.
        end: The instant after the last, in UTC.
    """
    at = begin
    for year in range(begin.year, end.year + 1):
        for border in (*_changes(zone.key, year), datetime(year + 1, 1, 1, tzinfo=UTC)):
            stop = min(border, end)
            if at < stop:
                yield Segment(at, stop, offset_at(zone, at))
                at = stop


def first_instant(zone: ZoneInfo, wall: datetime) -> datetime:
    """The first instant whose local time is at or after a local time.

    Args:
        zone: A zone of `find_zone`.
        wall: A local time, without a zone.
    """
    for segment in segments(zone, *_around(wall)):
        if wall < segment.stop_wall:
            return max(segment.begin, instant_of(wall, segment.offset))
    raise AssertionError(wall)


def _around(wall: datetime) -> tuple[datetime, datetime]:
    middle = wall.replace(tzinfo=UTC)
    return middle - 2 * timedelta(days=1), middle + 2 * timedelta(days=1)


@lru_cache(maxsize=8192)
def _changes(name: str, year: int) -> tuple[datetime, ...]:
    """The instants of a year at which the offset of a zone changes."""
    zone = _load(name)
    found: list[datetime] = []
    at, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    offset = offset_at(zone, at)
    while at < end:
        ahead = at + _STEP
        following = offset_at(zone, ahead)
        if following != offset:
            found.append(_change_between(zone, at, ahead))
        at, offset = ahead, following
    return tuple(found)


def _change_between(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """Narrows down a change of the offset, which comes at a whole second."""
    offset = offset_at(zone, before)
    while after - before > _SECOND:
        middle = (before + (after - before) / 2).replace(microsecond=0)
        if offset_at(zone, middle) == offset:
            before = middle
        else:
            after = middle
    return after


def offset_at(zone: ZoneInfo, instant: datetime) -> timedelta:
    """Local time minus UTC at an instant."""
    return instant.astimezone(zone).utcoffset() or timedelta()
