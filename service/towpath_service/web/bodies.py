"""Limits the time in which a request must arrive completely; used by the web application."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from towpath_service.core.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Collection

BODY_SECONDS: Final = 60.0
"""Longest time from a request's headers to its end: seconds, for 8 MiB at most."""

_CLOSE: Final = (b"connection", b"close")


class TimedBodies:
    """Fails a request that isn't complete in time."""

    def __init__(self, app: Any, *, streams: Collection[str], seconds: float) -> None:
        """Wraps an application.

        Args:
            app: The application that reads the bodies.
            streams: Paths whose bodies last as long as their streams.
            seconds: Longest time of any other body.
        """
        self._app = app
        self._streams = streams
        self._seconds = seconds

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Passes a request on."""
        if scope["type"] != "http" or scope["path"] in self._streams:
            await self._app(scope, receive, send)
            return
        until: float | None = asyncio.get_running_loop().time() + self._seconds
        late = False

        async def timed() -> Any:
            nonlocal until, late
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError:
                late = True
                raise _late(self._seconds) from None
            if not message.get("more_body", False):
                until = None
            return message

        async def closing(message: Any) -> None:
            if late and message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], _CLOSE]}
            await send(message)

        await self._app(scope, timed, closing)


def _late(seconds: float) -> ServiceError:
    return ServiceError(
        reason="DEADLINE_EXCEEDED",
        message=f"the request wasn't complete within {seconds:g} s: send it again",
    )
