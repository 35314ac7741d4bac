"""Limits on the rate, by the generic cell rate algorithm: one time is all their state.

The theoretical arrival time (TAT) is when the bucket would be full again. Each slot moves it by the
time in which one slot comes back. A caller gets a time to go on at, and waits by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath_service.limits.domain.limits import NANO

if TYPE_CHECKING:
    from towpath_service.limits.domain.limits import Limit

_SECOND_US = 1_000_000


def span_us(limit: Limit, slots: int) -> int:
    """The time in which a number of slots come back, rounded up so that no rate is exceeded."""
    return -(-slots * NANO * _SECOND_US // limit.settings.refill_nano)


def earliest_us(limit: Limit, slots: int, now_us: int) -> int:
    """The first time at which slots may be taken, given those reserved before.

    Args:
        limit: A limit on the rate.
        slots: How many, at most as many as it has.
        now_us: The present time.
    """
    if limit.settings.disabled:
        return now_us
    spare = span_us(limit, limit.settings.slots) - span_us(limit, slots)
    return max(now_us, limit.tat_us - spare)


def tat_after(limit: Limit, slots: int, go_us: int) -> int:
    """The TAT once slots are taken at a time."""
    return max(limit.tat_us, go_us) + span_us(limit, slots)
