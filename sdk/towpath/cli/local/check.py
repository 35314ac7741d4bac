"""The result of a check of `towpath doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Verdict = Literal["ok", "warning", "failed"]

TIMEOUT_SECONDS: Final = 5.0
"""Longest wait of a check for the server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The result of one check."""

    name: str
    verdict: Verdict
    text: str
    fix: str = ""
    """What to do next; empty when nothing needs to be done."""
