"""What a look of `towpath doctor` says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Verdict = Literal["ok", "warning", "failed"]

TIMEOUT_SECONDS: Final = 5.0
"""How long one look waits for the server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What one look found."""

    name: str
    verdict: Verdict
    text: str
    fix: str = ""
    """What to do about it; empty when there is nothing to do."""
