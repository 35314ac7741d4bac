"""How long things are kept, as people write it: 90d, 12h, forever."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import Final

from towpath_service.core.errors import ServiceError
from towpath_service.runs.application.retention import Keep

FOR_EVER: Final = "forever"
_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}


def parse_age(text: str) -> float | None:
    """Seconds of an age, None for ever.

    Raises:
        ValueError: It is none, with what would be one.
    """
    if text == FOR_EVER:
        return None
    match = re.fullmatch(r"([1-9]\d{0,8})([smhdw])", text)
    if match is None:
        raise ValueError(f"{text!r} is no age: write one such as 90d or 12h, or {FOR_EVER}")
    return int(match[1]) * _UNITS[match[2]]


def show_age(seconds: float | None) -> str:
    """An age in the largest unit that divides it."""
    if seconds is None:
        return FOR_EVER
    unit = next(unit for unit in "dhms" if seconds % _UNITS[unit] == 0)
    return f"{seconds / _UNITS[unit]:g}{unit}"


def keep_from_environment() -> Keep:
    """For how long things are kept where no command says it.

    Raises:
        ServiceError: INVALID_REQUEST, a variable holds no age.
    """
    keep = Keep()
    return replace(
        keep,
        runs=_from_environment("runs", keep.runs),
        transitions=_from_environment("transitions", keep.transitions),
        logs=_from_environment("logs", keep.logs),
    )


def variable_of(kind: str) -> str:
    """The environment's variable that says for how long a kind of things is kept."""
    return f"TOWPATH_SERVER_KEEP_{kind.upper()}"


def _from_environment(kind: str, default: float | None) -> float | None:
    variable = variable_of(kind)
    text = os.environ.get(variable)
    if not text:
        return default
    try:
        return parse_age(text)
    except ValueError as error:
        raise ServiceError(reason="INVALID_REQUEST", message=f"{variable}: {error}") from None
