"""Credentials that are missing, broken, replaced or renewed while pipelines run."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.chaos.history import violations
from tests.scenarios.servers import Server, environment, wait_until
from tests.scenarios.test_identity import FORKING, HELLO, Client, init_auth
from tests.scenarios.test_stream_delivery import Talker, completed, runs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

UNDELIVERED = "reports can't be delivered"


class KeyFile:
    """A mounted secret: the file with the API key that a process is told of."""

    def __init__(self, path: Path, key: str) -> None:
        self.path = path
        self.key = key

    def put(self, key: str = "") -> None:
        """Puts a key there as a whole; the owner's when none is given."""
        written = self.path.with_suffix(".new")
        written.write_text((key or self.key) + "\n")
        written.replace(self.path)


@pytest.fixture
def make_secured(
    make_server: Callable[..., Server], tmp_path: Path
) -> Callable[..., tuple[Server, KeyFile]]:
    """Starts a server with identity; the file that its owner's key belongs in isn't there yet."""

    def make(**fields: object) -> tuple[Server, KeyFile]:
        server = make_server(**fields)
        key = init_auth(server.home)
        server.start()
        return server, KeyFile(tmp_path / "api-key", key)

    return make


@pytest.fixture
def talk() -> Iterator[Callable[..., Talker]]:
    """Starts talkers that have their key from a file; ends those that a failed test leaves."""
    started: list[Talker] = []

    def start(server: Server, file: KeyFile) -> Talker:
        started.append(Talker(server, TOWPATH_API_KEY_FILE=str(file.path)))
        return started[-1]

    yield start
    for talker in started:
        talker.kill()


def test_a_key_that_comes_after_the_flow_has_begun_delivers_what_waited(
    make_secured: Callable[..., tuple[Server, KeyFile]], talk: Callable[..., Talker]
) -> None:
    server, file = make_secured()
    talker = talk(server, file)
    talker.tell("5")
    wait_until(lambda: UNDELIVERED in talker.told, "the missing file is told")
    assert runs(server) == {}
    file.put()
    talker.tell("5")
    wait_until(lambda: completed(server) == 10, "all tasks are recorded")
    told = talker.end()
    wait_until(lambda: completed(server) == 11, "the flow is recorded")
    assert told.count("\n") == 1
    assert f"{file.path}: No such file or directory. TOWPATH_API_KEY_FILE names it" in told
    assert file.key not in told
    assert violations(server.database) == []


@pytest.mark.parametrize(("kept", "said"), [(0, "it is empty"), (40, "must be an API key")])
def test_a_key_that_is_replaced_in_place_is_waited_for_in_mid_run(
    make_secured: Callable[..., tuple[Server, KeyFile]],
    talk: Callable[..., Talker],
    kept: int,
    said: str,
) -> None:
    server, file = make_secured(times={"rotation_seconds": 0.2})
    file.put()
    talker = talk(server, file)
    talker.tell("5")
    wait_until(lambda: completed(server) == 5, "the first tasks are recorded")
    file.path.write_text(file.key[:kept])
    wait_until(lambda: UNDELIVERED in talker.told, "the broken file is told")
    talker.tell("5")
    file.path.write_text(file.key)
    wait_until(lambda: completed(server) == 10, "all tasks are recorded")
    told = talker.end()
    wait_until(lambda: completed(server) == 11, "the flow is recorded")
    assert told.count("\n") == 1
    assert said in told
    assert file.key[:40] not in told
    assert violations(server.database) == []


def test_a_forked_child_waits_for_its_key_as_its_parent_does(
    make_secured: Callable[..., tuple[Server, KeyFile]], tmp_path: Path
) -> None:
    server, file = make_secured()
    waiting = FORKING.replace("    return 2", "    return sys.stdin.read()")
    errors = tmp_path / "stderr"
    with errors.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", waiting],
            env=environment(
                server.home,
                TOWPATH_SERVER_ADDRESS=server.address,
                TOWPATH_SERVER_WEB_ADDRESS=server.web_address,
                TOWPATH_API_KEY_FILE=str(file.path),
            ),
            stdin=subprocess.PIPE,
            stderr=stderr,
        )
    wait_until(lambda: errors.read_text().count(UNDELIVERED) == 2, "both have told it")
    file.put()
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert completed(server) == 2
    told = errors.read_text()
    assert told.count(UNDELIVERED) == 2
    assert "Traceback" not in told


def test_sync_without_a_key_says_what_is_missing_and_takes_nothing_away(
    make_secured: Callable[..., tuple[Server, KeyFile]], tmp_path: Path
) -> None:
    server, file = make_secured()
    client = Client(
        tmp_path / "client",
        {"TOWPATH_SERVER_ADDRESS": server.address, "TOWPATH_API_KEY_FILE": str(file.path)},
    )
    ended = client.python("-c", HELLO)
    assert ended.returncode == 0
    assert UNDELIVERED in ended.stderr
    assert "Traceback" not in ended.stderr
    ended = client.towpath("sync")
    assert ended.returncode == 2
    assert "TOWPATH_API_KEY_FILE names it" in ended.stderr
    file.put()
    assert client.towpath("sync").returncode == 0
    assert [run["name"] for run in client.runs()].count("hello") == 1
