"""Numbers of held slots and waiting callers over all tenants, for telemetry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitFigures:
    """The use of the limits on simultaneous work, at one moment."""

    held: int = 0
    """Slots that are held."""
    waiting: int = 0
    """Acquisitions that wait for slots."""


class ReadLimitFigures(Protocol):
    """Reads the numbers."""

    async def __call__(self) -> LimitFigures:
        """The numbers over all tenants.

        Raises:
            ServiceError: The database can't be read.
        """
        ...
