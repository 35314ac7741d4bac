"""Limits for coroutines: `concurrency` and `rate_limit`."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from towpath._limits.acquiring import Acquisition, release_async, reserve, wanted_of
from towpath._limits.keeping import Slots
from towpath.exceptions import (
    AcquireConcurrencySlotTimeoutError,
    ConcurrencySlotAcquisitionError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from towpath._limits.acquiring import OnUnreachable

__all__ = [
    "AcquireConcurrencySlotTimeoutError",
    "ConcurrencySlotAcquisitionError",
    "Slots",
    "concurrency",
    "rate_limit",
]


@asynccontextmanager
async def concurrency(
    names: str | Sequence[str],
    occupy: int = 1,
    timeout_seconds: float | None = None,
    max_retries: int | None = None,
    lease_duration: float = 60.0,
    strict: bool = False,
    *,
    raise_on_lease_renewal_failure: bool | None = None,
    on_unreachable: OnUnreachable | None = None,
    priority: int = 0,
) -> AsyncGenerator[Slots]:
    """Holds slots of one or several limits, all or none, for as long as the context lasts.

    Args:
        names: Names of the limits; none for no limit.
        occupy: Slots of each limit.
        timeout_seconds: Longest wait for them; None for no end.
        max_retries: Accepted and not used: `timeout_seconds` bounds the wait.
        lease_duration: How long the slots last if this process ends without releasing them:
            seconds, 5 or more. While it lives they are renewed.
        strict: Whether a limit that doesn't exist is an error; else it limits nothing.
        raise_on_lease_renewal_failure: Whether the end of the context raises an error if the slots
            were lost before; None for the value of `strict`.
        on_unreachable: What to do while the service can't be reached: "wait", or "proceed" without
            slots; None for the setting `limits.on_unreachable`.
        priority: 1 to 100; 0 for 50. The highest is served first, and waiting raises it.

    Yields:
        The slots.

    Raises:
        AcquireConcurrencySlotTimeoutError: No slots came free in time.
        ConcurrencySlotAcquisitionError: The service refuses: the limit has fewer slots, limits a
            rate or doesn't exist (with `strict`); or the slots were lost.
    """
    del max_retries
    wanted = wanted_of(
        names, occupy, strict=strict, hold_seconds=max(5.0, lease_duration), priority=priority
    )
    if wanted is None:
        yield Slots()
        return
    slots = await Acquisition(wanted, timeout_seconds, on_unreachable).wait_async()
    try:
        yield slots
    finally:
        if slots.held and not slots.lost:
            await release_async(slots)
    raising = raise_on_lease_renewal_failure
    if slots.lost and (strict if raising is None else raising):
        raise ConcurrencySlotAcquisitionError(
            f"the slots of {', '.join(wanted.needs)} were lost while they were held"
        )


async def rate_limit(
    names: str | Sequence[str],
    occupy: int = 1,
    timeout_seconds: float | None = None,
    strict: bool = False,
    *,
    on_unreachable: OnUnreachable | None = None,
) -> None:
    """Waits until one or several limits on the rate let the caller go on.

    Args:
        names: Names of the limits; none for no limit.
        occupy: Slots of each limit.
        timeout_seconds: Longest wait; None for a day.
        strict: Whether a limit that doesn't exist is an error; else it limits nothing.
        on_unreachable: What to do while the service can't be reached: "wait" or "proceed"; None for
            the setting `limits.on_unreachable`.

    Raises:
        AcquireConcurrencySlotTimeoutError: The time to go on would come too late.
        ConcurrencySlotAcquisitionError: The service refuses.
    """
    wanted = wanted_of(names, occupy, strict=strict)
    if wanted is None:
        return
    delay = await asyncio.to_thread(reserve, wanted, timeout_seconds, on_unreachable)
    if delay > 0:
        await asyncio.sleep(delay)
