"""A server in parts, and the drain of a process that has time for it."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from towpath.api.v1 import run_service_pb2, run_service_pb2_grpc

from tests.scenarios.servers import DEADLINE_SECONDS, listens, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.scenarios.servers import Server

pytestmark = pytest.mark.subject("app")

EVERYTHING = run_service_pb2.ListRunsRequest(parent="workspaces/default")


def status(server: Server, path: str) -> int:
    try:
        with urlopen(f"{server.web_address}{path}", timeout=DEADLINE_SECONDS) as answer:
            return int(answer.status)
    except HTTPError as error:
        error.close()
        return error.code


def answers_calls(server: Server) -> bool:
    with server.channel() as channel:
        run_service_pb2_grpc.RunServiceStub(channel).ListRuns(
            EVERYTHING, wait_for_ready=True, timeout=DEADLINE_SECONDS
        )
    return True


@pytest.mark.parametrize("make_server", ["postgres"], indirect=True)
def test_processes_share_a_database_by_their_roles(make_server: Callable[..., Server]) -> None:
    api = make_server("api", options=("--role", "api"))
    background = make_server("background", options=("--role", "background", "--metrics"))
    for server in (api, background):
        server.launch()
    for server in (api, background):
        wait_until(lambda server=server: "Ctrl-C" in server.log, "the banner is printed")
        assert status(server, "/healthz") == 200
        assert status(server, "/livez") == 200
    assert f"gRPC {api.address}" in api.log
    assert answers_calls(api)
    assert "background - web" in background.log
    assert status(background, "/metrics") == 200
    assert status(background, "/towpath.api.v1.RunService/ListRuns") == 404
    assert not listens(background.port)
    assert [background.stop(), api.stop()] == [0, 0]


def test_a_server_that_drains_answers_until_load_balancers_know(
    make_server: Callable[..., Server],
) -> None:
    server = make_server(options=("--drain-wait", "300"))
    server.start()
    wait_until(lambda: "Ctrl-C" in server.log, "the banner is printed")
    assert status(server, "/healthz") == 200
    assert server.process is not None
    server.process.send_signal(signal.SIGTERM)
    wait_until(lambda: status(server, "/healthz") == 503, "the server isn't ready any more")
    assert status(server, "/livez") == 200
    assert answers_calls(server)
    # A second signal ends the wait.
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(DEADLINE_SECONDS) == 0
    assert "Traceback" not in server.log
