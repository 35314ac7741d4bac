"""Refuses requests for other hosts, against DNS rebinding; used by the web application.

A page of another site can make its own host name resolve to this machine. Its requests then have
that name in the Host header, and are refused here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from collections.abc import Collection

LOOPBACK_NAMES: Final = frozenset({"127.0.0.1", "localhost", "::1"})
REFUSAL: Final = (
    "this server answers requests for its own host only: call it by 127.0.0.1 or localhost, or"
    " start it for other machines with --auth and TLS\n"
)


class HostWall:
    """Lets requests for known hosts through."""

    def __init__(self, app: Any, hosts: Collection[str]) -> None:
        """Wraps an application.

        Args:
            app: The application.
            hosts: Permitted names, besides those of loopback.
        """
        self._app = app
        self._hosts = LOOPBACK_NAMES | {host.lower() for host in hosts}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers 421 to a request for an unknown host."""
        if scope["type"] == "http":
            named = Headers(scope=scope).getlist("host")
            if len(named) != 1 or host_name(named[0]) not in self._hosts:
                await PlainTextResponse(REFUSAL, status_code=421)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def host_name(header: str) -> str:
    """The name in a Host header, without port and brackets."""
    header = header.strip().lower()
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0]
