"""Due instants by looking at each minute: slow, and simple enough to be read.

Nothing of the service is used. Zones come from the same package, as far as they are data.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib.resources import files
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FIELDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


def zone_of(name: str) -> ZoneInfo:
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def us(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(microseconds=1)


def instant(of_us: int) -> datetime:
    return EPOCH + timedelta(microseconds=of_us)


def minutes_of(
    zone: ZoneInfo, after: datetime, until: datetime
) -> list[tuple[datetime, datetime, int]]:
    """Each whole minute after one instant and up to another: the instant, wall time and fold.

    The minute before them comes first.
    """
    minute = after.replace(second=0, microsecond=0)
    found: list[tuple[datetime, datetime, int]] = []
    while minute <= until:
        wall = minute.astimezone(zone)
        found.append((minute, wall.replace(tzinfo=None, fold=0), wall.fold))
        minute += MINUTE
    return found


def cron(
    expression: str, minutes: list[tuple[datetime, datetime, int]], *, day_or: bool = True
) -> list[datetime]:
    """The instants at which an expression is due, by the rule as it is documented."""
    fields = expression.split()
    sets = [values(field, *span) for field, span in zip(fields, FIELDS, strict=True)]
    either = day_or and not (fields[2].startswith("*") or fields[4].startswith("*"))
    fixed = not (fields[0].startswith("*") or fields[1].startswith("*"))

    def matches(wall: datetime) -> bool:
        if wall.minute not in sets[0] or wall.hour not in sets[1] or wall.month not in sets[3]:
            return False
        days = wall.day in sets[2], bool(sets[4] & {wall.isoweekday(), wall.isoweekday() % 7})
        return any(days) if either else all(days)

    found: list[datetime] = []
    _, before, _ = minutes[0]
    for minute, wall, fold in minutes[1:]:
        if fixed:
            skipped = wall - before - MINUTE
            gap = [before + MINUTE * (n + 1) for n in range(max(0, skipped // MINUTE))]
            is_due = (not fold and matches(wall)) or any(map(matches, gap))
        else:
            is_due = matches(wall)
        if is_due:
            found.append(minute)
        before = wall
    return found


def values(field: str, low: int, high: int) -> set[int]:
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        if span == "*":
            begin, end = low, high
        elif "-" in span:
            begin, end = map(number, span.split("-"))
        else:
            begin = number(span)
            end = high if step else begin
        found |= set(range(begin, end + 1, int(step or 1)))
    return found


def number(text: str) -> int:
    return DAYS.index(text) if text in DAYS else int(text)
