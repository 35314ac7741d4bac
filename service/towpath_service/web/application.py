"""The web applications.

That of a server has rpcs, UI, health, metrics, public keys, and a check of the Host header; that of
a process in the background has health and metrics.
"""

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
from towpath_service.web.ui import WebUi

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from starlette.requests import Request

    from towpath_service.rpc.dispatcher import Dispatching
    from towpath_service.web.ui import File


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The public keys and the issuer, for verifiers of access tokens."""

    current: Callable[[], list[dict[str, str]]]
    """Returns the present keys as JSON Web Keys."""
    public_url: str | None = None
    """The issuer, which is the public URL; None when none is configured."""


NO_METRICS: Final = "nothing is measured: start the server with --metrics\n"
NO_PUBLIC_URL: Final = (
    "this server has no public URL: start it with --public-url, or take the keys"
    " of its tokens from /.well-known/jwks.json\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What probes ask about a process."""

    draining: Callable[[], bool] = bool
    """Returns whether it is about to stop."""
    trouble: Callable[[], str] = str
    """Returns why it can't work before it is started again; empty when it can."""


_JWKS: Final = "/.well-known/jwks.json"


def web_application(
    dispatcher: Dispatching,
    condition: Condition,
    *,
    hosts: Collection[str] | None,
    metrics: Callable[[], tuple[bytes, str]] | None = None,
    keys: Keys | None = None,
    ui: Mapping[str, File] | None = None,
    body_seconds: float = BODY_SECONDS,
) -> Starlette:
    """The application of the web port.

    Args:
        dispatcher: Handles the calls.
        condition: What probes are answered.
        hosts: Names, beside those of loopback, that requests may be addressed to; None for any.
        metrics: All metrics and their content type; None when nothing is measured.
        keys: Public keys and issuer of access tokens; None without identity.
        ui: The files of the UI by path; none to serve rpcs only.
        body_seconds: How long a request may take to be complete.
    """
    rpcs = connect_application(dispatcher)
    streams = {
        f"/{name}"
        for name, endpoint in dispatcher.endpoints.items()
        if endpoint.kind == "bidi_stream"
    }
    timed = Middleware(TimedBodies, streams=streams, seconds=body_seconds)
    walls = [] if hosts is None else [Middleware(HostWall, hosts=hosts)]
    return Starlette(
        routes=[
            *_watched(condition, metrics),
            *([] if keys is None else _discovery(keys)),
            Mount("/", app=WebUi(rpcs, ui) if ui else rpcs),
        ],
        middleware=[*walls, timed],
    )


def background_application(
    condition: Condition, *, metrics: Callable[[], tuple[bytes, str]] | None = None
) -> Starlette:
    """The application of the web port of a process that answers no calls.

    Args:
        condition: What probes are answered.
        metrics: All metrics and their content type; None when nothing is measured.
    """
    return Starlette(routes=_watched(condition, metrics))


def _watched(condition: Condition, metrics: Callable[[], tuple[bytes, str]] | None) -> list[Route]:
    """The routes by which a process is watched from outside."""

    def answer(*, ready: bool) -> JSONResponse:
        if ready and condition.draining():
            return JSONResponse({"status": "draining"}, status_code=503)
        if condition.trouble():
            return JSONResponse({"status": "unusable"}, status_code=503)
        return JSONResponse({"status": "serving"})

    async def ready(_: Request) -> JSONResponse:
        return answer(ready=True)

    async def alive(_: Request) -> JSONResponse:
        return answer(ready=False)

    def measured(_: Request) -> Response:
        if metrics is None:
            return PlainTextResponse(NO_METRICS, status_code=404)
        body, content_type = metrics()
        return Response(body, headers={"content-type": content_type})

    return [Route("/healthz", ready), Route("/livez", alive), Route("/metrics", measured)]


def _discovery(keys: Keys) -> list[Route]:
    """The routes of OpenID Connect Discovery, where verifiers find the keys.

    The document names its issuer, so there is none without a configured public URL. The Host header
    of a request isn't used instead, since any client can forge it.
    """
    cached = {"cache-control": "public, max-age=300"}

    def jwks(_: Request) -> JSONResponse:
        return JSONResponse({"keys": keys.current()}, headers=cached)

    def configuration(_: Request) -> Response:
        if keys.public_url is None:
            return PlainTextResponse(NO_PUBLIC_URL, status_code=404)
        content = {
            "issuer": keys.public_url,
            "jwks_uri": f"{keys.public_url}{_JWKS}",
            "id_token_signing_alg_values_supported": ["EdDSA"],
            "response_types_supported": ["none"],
            "subject_types_supported": ["public"],
        }
        return JSONResponse(content, headers=cached)

    return [
        Route(_JWKS, jwks),
        Route("/.well-known/openid-configuration", configuration),
    ]
