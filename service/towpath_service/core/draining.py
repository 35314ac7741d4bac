"""The flag of a service that is about to stop, at which streams and watches end themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio


@dataclass(slots=True)
class Draining:
    """Whether the service is about to stop."""

    event: asyncio.Event

    @property
    def begun(self) -> bool:
        """Whether the drain has begun."""
        return self.event.is_set()
