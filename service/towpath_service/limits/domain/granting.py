"""Which of those that wait get slots now: a pure decision over some limits of one workspace.

All are taken in their order. One gets all its slots or none. Where it lacks room, those behind it
get none of what it waits for; in its other limits they pass it, until it has waited for
`PASS_US`: then it keeps its place there, too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PASS_US: Final = 10_000_000
"""How long those behind may pass an acquisition in the limits where it has room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The slots of a limit."""

    slots: int
    used: int
    unlimited: bool = False

    @property
    def free(self) -> int:
        """Slots that may be taken."""
        return _MANY if self.unlimited else self.slots - self.used

    def ever_fits(self, slots: int) -> bool:
        """Whether so many slots can come free at all; a limit of 0 is closed for now."""
        return self.unlimited or self.slots == 0 or slots <= self.slots


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiter:
    """An acquisition that waits."""

    acquisition_id: str
    needs: Mapping[str, int]
    rank_us: int
    asked_us: int


@dataclass(slots=True)
class Grants:
    """The decision."""

    granted: list[str] = field(default_factory=list[str])
    """Ids of the acquisitions that get their slots, in order."""
    unknown: set[str] = field(default_factory=set[str])
    """Ids of all limits of the acquisitions that can't be decided on, since not all are known."""


_MANY: Final = 2**62


def grant(rooms: Mapping[str, Room], waiters: Iterable[Waiter], now_us: int) -> Grants:
    """Decides which acquisitions get their slots.

    Args:
        rooms: The room of the limits that the transaction has locked.
        waiters: Those that wait for at least one of them.
        now_us: The present time.
    """
    free = {limit_id: room.free for limit_id, room in rooms.items()}
    made = Grants()
    for waiter in sorted(waiters, key=lambda one: (one.rank_us, one.acquisition_id)):
        known = {limit_id: slots for limit_id, slots in waiter.needs.items() if limit_id in rooms}
        if not all(rooms[limit_id].ever_fits(slots) for limit_id, slots in known.items()):
            continue
        lacking = {limit_id for limit_id, slots in known.items() if free[limit_id] < slots}
        unknown = waiter.needs.keys() - known.keys()
        kept = lacking if lacking and now_us - waiter.asked_us < PASS_US else set(known)
        for limit_id in kept:
            free[limit_id] -= known[limit_id]
        if lacking:
            continue
        if unknown:
            made.unknown |= waiter.needs.keys()
        else:
            made.granted.append(waiter.acquisition_id)
    return made
