"""The web application: rpcs, health, and a wall against requests for other hosts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from towpath_service.web.bodies import BODY_SECONDS, TimedBodies
from towpath_service.web.connect import connect_application
from towpath_service.web.hosts import HostWall

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from starlette.requests import Request

    from towpath_service.application.watch import Draining
    from towpath_service.rpc.dispatch import Dispatching


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What verifiers of access tokens need to know."""

    issuer: str
    current: Callable[[], list[dict[str, str]]]
    """The keys as JSON Web Keys, as they are now."""


NO_METRICS: Final = "nothing is measured: start the server with --metrics\n"


def web_application(
    dispatcher: Dispatching,
    draining: Draining,
    *,
    hosts: Collection[str] | None,
    metrics: Callable[[], tuple[bytes, str]] | None = None,
    keys: Keys | None = None,
    body_seconds: float = BODY_SECONDS,
) -> Starlette:
    """The application of the web port.

    Args:
        dispatcher: What answers the rpcs.
        draining: Whether the service is about to stop.
        hosts: Names, beside those of loopback, that requests may be addressed to; None for any.
        metrics: All metrics and their content type; None when nothing is measured.
        keys: Public keys of access tokens and who makes those; None without identity.
        body_seconds: How long a request may take to be complete.
    """

    async def health(_: Request) -> JSONResponse:
        if draining.begun:
            return JSONResponse({"status": "draining"}, status_code=503)
        return JSONResponse({"status": "serving"})

    def measured(_: Request) -> Response:
        if metrics is None:
            return PlainTextResponse(NO_METRICS, status_code=404)
        body, content_type = metrics()
        return Response(body, headers={"content-type": content_type})

    streams = {
        f"/{name}"
        for name, endpoint in dispatcher.endpoints.items()
        if endpoint.kind == "bidi_stream"
    }
    timed = Middleware(TimedBodies, streams=streams, seconds=body_seconds)
    walls = [] if hosts is None else [Middleware(HostWall, hosts=hosts)]
    return Starlette(
        routes=[
            Route("/healthz", health),
            Route("/metrics", measured),
            *([] if keys is None else _discovery(keys)),
            Mount("/", app=connect_application(dispatcher)),
        ],
        middleware=[*walls, timed],
    )


def _discovery(keys: Keys) -> list[Route]:
    """Where verifiers look for keys: RFC 8414 and OpenID Connect Discovery."""
    cached = {"cache-control": "public, max-age=300"}

    def jwks(_: Request) -> JSONResponse:
        return JSONResponse({"keys": keys.current()}, headers=cached)

    def configuration(request: Request) -> JSONResponse:
        content = {
            "issuer": keys.issuer,
            "jwks_uri": str(request.url_for("jwks")),
            "id_token_signing_alg_values_supported": ["EdDSA"],
            "response_types_supported": ["none"],
            "subject_types_supported": ["public"],
        }
        return JSONResponse(content, headers=cached)

    return [
        Route("/.well-known/jwks.json", jwks, name="jwks"),
        Route("/.well-known/openid-configuration", configuration),
    ]
