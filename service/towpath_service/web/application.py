"""The web application: rpcs, health, and a wall against requests for other hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from towpath_service.web.connect import connect_application
from towpath_service.web.hosts import HostWall

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.requests import Request

    from towpath_service.application.watch import Draining
    from towpath_service.rpc.dispatch import Dispatcher


def web_application(
    dispatcher: Dispatcher, draining: Draining, *, hosts: Collection[str] | None
) -> Starlette:
    """The application of the web port.

    Args:
        dispatcher: What answers the rpcs.
        draining: Whether the service is about to stop.
        hosts: Names, beside those of loopback, that requests may be addressed to; None for any.
    """

    async def health(_: Request) -> JSONResponse:
        if draining.begun:
            return JSONResponse({"status": "draining"}, status_code=503)
        return JSONResponse({"status": "serving"})

    walls = [] if hosts is None else [Middleware(HostWall, hosts=hosts)]
    return Starlette(
        routes=[Route("/healthz", health), Mount("/", app=connect_application(dispatcher))],
        middleware=walls,
    )
