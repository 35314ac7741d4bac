"""Runs that were submitted and may not have ended yet."""

from __future__ import annotations

from towpath._runs.futures import (
    DoneAndNotDoneFutures,
    Future,
    FutureList,
    as_completed,
    wait,
)

__all__ = ["DoneAndNotDoneFutures", "Future", "FutureList", "as_completed", "wait"]
