"""A real pipeline over its tenant's limit of stored bytes: it goes on, and nothing is lost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.scenarios.clients import HELLO, Client, init_auth
from tests.scenarios.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.scenarios.servers import Server

pytestmark = pytest.mark.subject("identity", "runs")


@pytest.fixture
def owner(make_server: Callable[..., Server], tmp_path: Path) -> Client:
    server = make_server()
    key = init_auth(server.home)
    server.start()
    return Client(
        tmp_path / "owner", {"TOWPATH_SERVER_ADDRESS": server.address, "TOWPATH_API_KEY": key}
    )


def stored(client: Client) -> int:
    used = json.loads(client.says("usage", "-o", "json"))
    return int(next(item["used"] for item in used if item["quota"] == "stored_bytes"))


def test_runs_beyond_the_limit_wait_in_the_outbox_until_there_is_room(
    owner: Client, tmp_path: Path
) -> None:
    pipeline = owner.named(tmp_path / "pipeline", TOWPATH_FLUSH_TIMEOUT_SECONDS="3")
    assert pipeline.python("-c", HELLO).returncode == 0
    full = stored(owner)
    assert full > 4 * 1000
    owner.says("tenant", "limit", "main", "--stored-bytes", str(full))
    over = pipeline.python("-c", HELLO)
    assert over.returncode == 0, over.stderr
    assert "stored_bytes" in over.stderr
    assert stored(owner) == full
    assert len(pipeline.runs()) == 4
    owner.says("tenant", "limit", "main", "--stored-bytes", str(100 * full))

    def delivered() -> bool:
        pipeline.towpath("sync")
        return len(pipeline.runs()) == 8

    wait_until(delivered, "all runs are there")
    assert {run["state"] for run in pipeline.runs()} == {"COMPLETED"}
    assert stored(owner) == 2 * full
