"""How long records are kept; used by retention and its options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

DAY: Final = 86_400.0
"""Seconds of a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """How many seconds records are kept; None for ever."""

    runs: float | None = 365 * DAY
    """Runs with all their records, from the end of the last run of a tree."""
    transitions: float | None = 90 * DAY
    """The histories of ended runs."""
    logs: float | None = 30 * DAY
    """Log lines."""
    tombstones: float = 7 * DAY
    """Tombstones of deleted runs, for watches that resume."""
    producers: float = 60 * DAY
    """The last sequence numbers of producers, so that no update takes effect twice; the contract
    promises at least 30 days."""
