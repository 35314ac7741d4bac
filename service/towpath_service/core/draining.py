"""Whether the service is about to stop: producers' streams and watches end themselves then."""

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
        """Whether it is."""
        return self.event.is_set()
