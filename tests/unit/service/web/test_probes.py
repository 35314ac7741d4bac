"""Probes: what a process answers about itself while it serves, ends, or can't go on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from towpath_service.web import Condition, background_application, web_application

DISPATCHER: Any = SimpleNamespace(endpoints={})
LIST_RUNS = "/towpath.api.v1.RunService/ListRuns"


def in_background(condition: Condition) -> Any:
    return background_application(condition, metrics=lambda: (b"runs 1\n", "text/plain"))


def for_calls(condition: Condition) -> Any:
    return web_application(
        DISPATCHER, condition, hosts=None, metrics=lambda: (b"runs 1\n", "text/plain")
    )


async def asked(application: Any, path: str) -> httpx2.Response:
    transport = httpx2.ASGITransport(app=application)
    async with httpx2.AsyncClient(transport=transport, base_url="http://10.0.0.1") as client:
        return await client.get(path)


@pytest.mark.parametrize("application", [in_background, for_calls])
@pytest.mark.parametrize(
    ("draining", "trouble", "ready", "alive"),
    [
        (False, "", 200, 200),
        # A process that ends takes no new work, and must not be killed for it.
        (True, "", 503, 200),
        # Only another start helps.
        (False, "the file was replaced", 503, 503),
        (True, "the file was replaced", 503, 503),
    ],
)
async def test_readiness_ends_with_a_drain_and_liveness_with_trouble(
    application: Any, draining: bool, trouble: str, ready: int, alive: int
) -> None:
    asgi = application(Condition(draining=lambda: draining, trouble=lambda: trouble))
    assert (await asked(asgi, "/healthz")).status_code == ready
    assert (await asked(asgi, "/livez")).status_code == alive


async def test_a_process_in_the_background_has_metrics_and_answers_no_call() -> None:
    asgi = in_background(Condition())
    assert (await asked(asgi, "/metrics")).text == "runs 1\n"
    assert (await asked(asgi, LIST_RUNS)).status_code == 404
    assert (await asked(asgi, "/")).status_code == 404
    assert (await asked(asgi, "/.well-known/jwks.json")).status_code == 404
