"""Numbers of waiting runs, leases and workers over all tenants, for telemetry."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towpath_service.work.domain.leases import Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkFigures:
    """What waits and what is executed, at one moment."""

    ready: int = 0
    """Queued runs that are due and held back by no limit."""
    parked: int = 0
    """Queued runs that a full limit or an earlier run of their schedule holds back."""
    later: int = 0
    """Queued runs that aren't due yet."""
    oldest_us: int | None = None
    """When the first of the ready runs was due; None if none is ready."""
    leases: Mapping[Phase, int] = field(default_factory=dict["Phase", int])
    directives: int = 0
    """Requests to runs that haven't been followed yet."""
    available: int = 0
    """Attached workers with a free slot."""
    busy: int = 0
    """Attached workers that take no more: their slots are used, or they drain."""
    offline: int = 0
    """Workers that are on record and not attached."""
    slots: int = 0
    """Slots of attached workers."""
    used_slots: int = 0
    """Those of them that leases use."""


class ReadFigures(Protocol):
    """Reads the numbers."""

    async def __call__(self, now_us: int, /) -> WorkFigures:
        """The numbers over all tenants.

        Args:
            now_us: The time.

        Raises:
            ServiceError: The database can't be read.
        """
        ...
