"""Ages as people write them: 90d, 12h, forever."""

from __future__ import annotations

import re
from typing import Final

FOR_EVER: Final = "forever"
_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}


def parse_age(text: str) -> float | None:
    """Reads an age.

    Args:
        text: A whole number with one of the units s, m, h, d and w, or "forever".

    Returns:
        The age in seconds; None for ever.

    Raises:
        ValueError: The text is no age; the message shows one.
    """
    if text == FOR_EVER:
        return None
    match = re.fullmatch(r"([1-9]\d{0,8})([smhdw])", text)
    if match is None:
        raise ValueError(f"{text!r} is no age: write one such as 90d or 12h, or {FOR_EVER}")
    return int(match[1]) * _UNITS[match[2]]


def show_age(seconds: float | None) -> str:
    """Writes an age of so many seconds, None for ever, in the largest unit that divides it."""
    if seconds is None:
        return FOR_EVER
    unit = next(unit for unit in "dhms" if seconds % _UNITS[unit] == 0)
    return f"{seconds / _UNITS[unit]:g}{unit}"
