"""The wiring of limits."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from towpath_service.app.subjects import Subject
from towpath_service.limits.application.limiter import Limiter, no_waits
from towpath_service.limits.application.workspace_limits import WorkspaceLimits
from towpath_service.limits.rpc.limit_handler import LimitHandler

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from towpath_service.app.subjects import Foundation
    from towpath_service.limits.application.limiter import NoteWait


@asynccontextmanager
async def limits(
    foundation: Foundation, note_wait: NoteWait | None = None
) -> AsyncGenerator[Subject]:
    """Opens the subject of limits.

    Args:
        foundation: What it is built on.
        note_wait: Takes how long callers waited, for telemetry; None for none.
    """
    store, clock = foundation.stores.limits, foundation.clock
    note = note_wait or no_waits
    async with Limiter(store, foundation.bus, clock, foundation.draining, note=note) as limiter:
        handler = LimitHandler(WorkspaceLimits(store, limiter, clock), limiter)
        yield Subject(handlers=(handler,), loops={"limits": limiter.run})
