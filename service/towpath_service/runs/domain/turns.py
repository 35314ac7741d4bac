"""Fair order and size of commits, where several tenants wait for one writer; used by CommitQueue.

Invariants, each of which a test names:
  - a tenant that reports alone, or beside tenants that report as much at a time, gets all that it
    asks for;
  - the tenant with the least recent use comes first, so that a tenant with few updates waits at
    most for the current portion, however much another tenant has sent;
  - portions grow with the number of waiting updates: a longer queue takes fewer commits;
  - recorded use is halved every second, so that no tenant waits for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PORTION: Final = 12
"""Updates of a portion that a tenant with few updates may have to wait for: its commit takes little
longer than that of one update."""
LITTLE: Final = 4
"""A tenant has few updates if it reports less at a time than another one by this factor."""
PARTS: Final = 8
"""Number of portions that the waiting updates are split into, if those are larger."""
LATELY_SECONDS: Final = 1.0
"""How long a tenant counts as reporting; recorded use is halved in the same time."""
MOST_LOOKED_AT: Final = 32
MOST_REMEMBERED: Final = 1000
_WEIGHT: Final = 0.25
"""Weight of the last turn in the average of `wanted`."""


@dataclass(frozen=True, slots=True)
class _Use:
    updates: float
    """Recent use: updates."""
    wanted: float
    """Average number of its updates that wait at its turn."""
    at: float

    def left(self, now: float) -> float:
        return float(self.updates * 0.5 ** ((now - self.at) / LATELY_SECONDS))


class Turns:
    """Records the recent use of tenants, by a monotonic clock in seconds."""

    def __init__(self) -> None:
        """Starts without recorded use."""
        self._uses: dict[str, _Use] = {}
        """By tenant, in the order of their last turns."""

    def order(self, waiting: Iterable[str], now: float) -> list[str]:
        """The waiting tenants, the one with the least recent use first."""
        return sorted(waiting, key=lambda tenant_id: self._left(tenant_id, now))

    def portion(self, waiting: Mapping[str, int], most: int, now: float) -> int:
        """The number of updates that the next commit may take: fewer if a tenant has few updates.

        Args:
            waiting: Number of waiting updates by tenant; not empty.
            most: Most updates that a commit may take.
            now: The time.
        """
        wanted: dict[str, float] = {
            tenant_id: use.wanted
            for tenant_id, use in islice(reversed(self._uses.items()), MOST_LOOKED_AT)
            if now - use.at < LATELY_SECONDS
        }
        for tenant_id, updates in waiting.items():
            wanted[tenant_id] = max(updates, wanted.get(tenant_id, 0.0))
        least = min(wanted.values())
        if least * LITTLE > max(wanted.values()):
            return most
        return min(most, max(PORTION, int(least), sum(waiting.values()) // PARTS))

    def note(self, tenant_id: str, updates: int, waiting: int, now: float) -> None:
        """Records a tenant's turn.

        Args:
            tenant_id: The tenant.
            updates: Number of its updates that were taken.
            waiting: Number of its updates that waited.
            now: The time.
        """
        use = self._uses.pop(tenant_id, None) or _Use(0.0, float(waiting), now)
        wanted = use.wanted + (waiting - use.wanted) * _WEIGHT
        self._uses[tenant_id] = _Use(use.left(now) + updates, wanted, now)
        if len(self._uses) > MOST_REMEMBERED:
            del self._uses[next(iter(self._uses))]

    def _left(self, tenant_id: str, now: float) -> float:
        use = self._uses.get(tenant_id)
        return use.left(now) if use is not None else 0.0
