"""Identity is switched on while a server runs that asks nobody who they are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from towpath.api.v1 import run_service_pb2, run_service_pb2_grpc

from tests.scenarios.clients import HELLO, Client, init_auth
from tests.scenarios.conftest import on_both_databases
from tests.scenarios.servers import DEADLINE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.scenarios.servers import Server

pytestmark = pytest.mark.subject("app", "identity")

EVERYTHING = run_service_pb2.WatchRunsRequest(parent="workspaces/default")


@on_both_databases
def test_a_running_server_stops_letting_everybody_in(
    make_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = make_server()
    server.start()
    settings = {
        "TOWPATH_SERVER_ADDRESS": server.address,
        "TOWPATH_SERVER_WEB_ADDRESS": server.web_address,
    }
    anybody = Client(tmp_path / "anybody", settings)
    assert anybody.python("-c", HELLO).returncode == 0
    with server.channel() as channel:
        watching = run_service_pb2_grpc.RunServiceStub(channel).WatchRuns(EVERYTHING)
        key = init_auth(tmp_path / "operator", "--database", str(server.database))
        assert server.process is not None
        assert server.process.wait(DEADLINE_SECONDS) == 1
        # A watch that was open has ended with it.
        list(watching)
    assert "Error: identity was switched on for this database" in server.log
    assert "Traceback" not in server.log
    server.options = ("--key-file", str(tmp_path / "operator" / "server.key"))
    server.start()
    assert anybody.towpath("run", "ls").returncode == 4
    owner = anybody.named(tmp_path / "owner", TOWPATH_API_KEY=key)
    # What was recorded before is there.
    names = [run["name"] for run in json.loads(owner.says("run", "ls", "-o", "json"))]
    assert names.count("hello") == 1
    assert server.stop() == 0


def test_every_replica_stops(
    make_server: Callable[..., Server], tmp_path: Path, postgres_dsn: str
) -> None:
    replicas = [make_server("one"), make_server("two")]
    for replica in replicas:
        replica.dsn = postgres_dsn
        replica.start()
    init_auth(tmp_path / "operator", "--database", postgres_dsn)
    for replica in replicas:
        assert replica.process is not None
        assert replica.process.wait(DEADLINE_SECONDS) == 1


def test_whoever_switches_it_on_is_told_what_becomes_of_servers(tmp_path: Path) -> None:
    ended = Client(tmp_path / "home").towpath("server", "init-auth")
    assert ended.returncode == 0
    assert "stop within seconds" in ended.stderr
