"""Whose turn it is, and for how much, where several tenants wait for one writer.

Invariants, each of which a test names:
  - a tenant that reports alone, or beside others that report as much at a time, gets all that it
    asks for;
  - whoever has used least lately comes first, so that one that reports little waits for the portion
    under way at most, however much another has sent;
  - portions grow with what waits: the more there is to do, the fewer commits do it;
  - use is forgotten by half in a second, so that nobody waits for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PORTION: Final = 12
"""Updates of a commit that one with little to report may have to wait for: it takes little longer
than a commit of one."""
LITTLE: Final = 4
"""Whoever reports less at a time than another by this factor has little to report."""
PARTS: Final = 8
"""What waits, once that is more, is cut into so many portions."""
LATELY_SECONDS: Final = 1.0
"""How long a tenant counts as one that reports; use is halved in as long."""
MOST_LOOKED_AT: Final = 32
MOST_REMEMBERED: Final = 1000
_WEIGHT: Final = 0.25
"""Of the last turn, in what a tenant asks for as a rule."""


@dataclass(frozen=True, slots=True)
class _Use:
    updates: float
    """What it has used lately."""
    wanted: float
    """How many of its updates wait at its turn, as a rule."""
    at: float

    def left(self, now: float) -> float:
        return float(self.updates * 0.5 ** ((now - self.at) / LATELY_SECONDS))


class Turns:
    """Remembers what tenants have used lately, by a clock in seconds that never goes back."""

    def __init__(self) -> None:
        """Has seen nobody."""
        self._uses: dict[str, _Use] = {}
        """By tenant, the one whose turn was last at the end."""

    def order(self, waiting: Iterable[str], now: float) -> list[str]:
        """Tenants that wait, the one that has used least lately first."""
        return sorted(waiting, key=lambda tenant_id: self._left(tenant_id, now))

    def portion(self, waiting: Mapping[str, int], most: int, now: float) -> int:
        """How many updates the next commit may take: fewer where somebody has little to report.

        Args:
            waiting: How many updates of each tenant wait; at least one tenant's.
            most: How many a commit may take at all.
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
        """Notes that a tenant had a turn.

        Args:
            tenant_id: Whose it was.
            updates: How many of its updates were taken.
            waiting: Of how many.
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
