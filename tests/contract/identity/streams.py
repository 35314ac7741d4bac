"""Open streams of callers, and why they end."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from towpath_service.core.errors import ServiceError

from tests.in_process.place import Place, metadata
from tests.in_process.producing import opening

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


def watching(place: Place, token: str) -> AsyncGenerator[Any]:
    """A stream of what happens, as somebody."""
    return place.service.dispatcher.server_stream(
        place.endpoint("RunService/WatchRuns"),
        place.request("RunService/WatchRuns", parent="workspaces/default"),
        metadata(token),
    )


def reporting(place: Place, token: str) -> AsyncGenerator[Any]:
    """A stream of a producer that has nothing to say for now, as somebody."""

    async def requests() -> AsyncGenerator[Any]:
        yield opening(str(uuid4()))
        await asyncio.Event().wait()

    endpoint = place.endpoint("IngestService/StreamUpdates")
    return place.service.dispatcher.bidi_stream(endpoint, requests(), metadata(token))


async def begun(stream: Any) -> asyncio.Task[str]:
    """Has a stream read by a task of its own, as transports do; returns at its first answer."""
    answered = asyncio.Event()
    task = asyncio.create_task(end_of(stream, answered))
    await answered.wait()
    return task


async def end_of(stream: Any, answered: asyncio.Event | None = None) -> str:
    """Why a stream ends."""
    with contextlib.suppress(StopAsyncIteration):
        async with asyncio.timeout(30):
            try:
                while True:
                    await anext(stream)
                    if answered is not None:
                        answered.set()
            except ServiceError as error:
                return error.reason
    return ""
