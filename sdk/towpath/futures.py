"""Runs that were submitted and may not have ended yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath._prefect_names.refusals import refusing
from towpath._runs.futures import (
    DoneAndNotDoneFutures,
    Future,
    FutureList,
    as_completed,
    wait,
)

PrefectFuture = Future
"""The name that Prefect has for `Future`."""
PrefectFutureList = FutureList
"""The name that Prefect has for `FutureList`."""

__all__ = [
    "DoneAndNotDoneFutures",
    "Future",
    "FutureList",
    "PrefectFuture",
    "PrefectFutureList",
    "as_completed",
    "wait",
]

if not TYPE_CHECKING:
    __getattr__ = refusing(__name__)
