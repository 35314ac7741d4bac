"""Background loops, which run beside the calls for as long as the server runs."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

RESTART_SECONDS: Final = 5.0

_log = logging.getLogger(__name__)


@asynccontextmanager
async def background(
    loops: Mapping[str, Callable[[], Awaitable[None]]],
    *,
    restart_seconds: float = RESTART_SECONDS,
) -> AsyncGenerator[None, None]:
    """Runs loops until the context ends; a loop that fails is logged and started again.

    Args:
        loops: The loops, by their names in logs and metrics.
        restart_seconds: Pause before a failed loop is started again.
    """
    tasks = [
        asyncio.create_task(_keep_going(name, loop, restart_seconds), name=f"towpath-{name}")
        for name, loop in loops.items()
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _keep_going(
    name: str, loop: Callable[[], Awaitable[None]], restart_seconds: float
) -> None:
    while True:
        try:
            await loop()
        except Exception:  # noqa: BLE001 - the loop is needed after any error
            _log.exception("%s failed and begins again in %g s", name, restart_seconds)
        await asyncio.sleep(restart_seconds)
