"""Limits on what happens at once, or per second, over all processes of a workspace.

`concurrency` and `rate_limit` are those of `towpath.concurrency.sync`. Coroutines use those of
`towpath.concurrency.asyncio`.
"""

from __future__ import annotations

from towpath.concurrency.sync import (
    AcquireConcurrencySlotTimeoutError,
    ConcurrencySlotAcquisitionError,
    Slots,
    concurrency,
    rate_limit,
)

__all__ = [
    "AcquireConcurrencySlotTimeoutError",
    "ConcurrencySlotAcquisitionError",
    "Slots",
    "concurrency",
    "rate_limit",
]
