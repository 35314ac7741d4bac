"""Times and durations, as the command line reads and writes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_duration(text: str, *, units: str = "smhdw") -> timedelta:
    """Reads a duration such as 30m, 12h or 90d.

    Args:
        text: A whole number and a unit.
        units: The units to accept: of seconds, minutes, hours, days and weeks.

    Raises:
        ValueError: The text is no such duration.
    """
    match = re.fullmatch(rf"(\d{{1,9}})([{units}])", text)
    if match is None:
        raise ValueError(f"{text!r} is no duration")
    try:
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
    except OverflowError:
        raise ValueError(f"{text!r} is too long") from None


def local_time(moment: datetime | None) -> str:
    """A moment by this machine's clock, to the second; "-" for none."""
    return moment.astimezone().strftime("%m-%d %H:%M:%S") if moment else "-"


def local_minute(moment: datetime | None) -> str:
    """A moment by this machine's clock, with its year, to the minute; empty for none."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M}" if moment else ""


def local_second(moment: datetime) -> str:
    """A moment by this machine's clock, with its year, to the second."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def rfc3339(moment: datetime | None) -> str | None:
    """A moment in UTC, to the microsecond; None for none."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None


def expiry(expires: datetime | None) -> str:
    """When a key expires, to follow its name in a sentence."""
    return f"expires at {local_minute(expires)}" if expires else "never expires"
