"""Runs that were submitted and may not have ended yet."""

from __future__ import annotations

from towpath._runs.futures import Future, FutureList, as_completed, wait

__all__ = ["Future", "FutureList", "as_completed", "wait"]
