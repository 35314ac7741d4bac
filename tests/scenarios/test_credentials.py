"""Credentials that are missing, broken, replaced or renewed while pipelines run."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.chaos.history import rows, violations
from tests.scenarios.clients import FORKING, HELLO, Client, init_auth
from tests.scenarios.commands import Following
from tests.scenarios.servers import Server, environment, wait_until
from tests.scenarios.test_stream_delivery import Talker, completed, runs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.subject("identity", "transport")

# Asks for runs over one client whenever a line of its input says so.
ASKING = """
import sys
from towpath.client import connect
from towpath.exceptions import RpcError
from towpath.settings import get_settings

with connect(get_settings()) as client:
    for line in sys.stdin:
        try:
            print(len(list(client.runs(limit=1))), flush=True)
        except RpcError as error:
            print(error.reason, flush=True)
"""
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


def streams(server: Server) -> int:
    """How many streams a server's only producer has opened."""
    (((epoch,),),) = rows(server.database, "SELECT epoch FROM producer")
    return int(epoch)


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
    process.communicate(timeout=240)
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


@pytest.mark.parametrize(
    "notice_seconds",
    [
        pytest.param(1, id="asked_to_move_before_the_end"),
        pytest.param(-60, id="ended_with_the_token"),
    ],
)
def test_tokens_are_renewed_under_a_flow_that_outlives_many(
    make_secured: Callable[..., tuple[Server, KeyFile]],
    talk: Callable[..., Talker],
    notice_seconds: float,
) -> None:
    server, file = make_secured(tokens={"life_seconds": 3, "notice_seconds": notice_seconds})
    file.put()
    talker = talk(server, file)
    known = {"TOWPATH_SERVER_ADDRESS": server.address, "TOWPATH_API_KEY_FILE": str(file.path)}
    talker.tell("5")
    wait_until(lambda: completed(server) == 5, "the first tasks are recorded")
    with Following(server.home, ("run", "ls", "--all", "--follow"), settings=known) as following:
        for turn in range(2, 5):
            seen = streams(server)
            wait_until(lambda seen=seen: streams(server) > seen, "another stream is open")  # type: ignore[misc]
            talker.tell("5")
            wait_until(lambda turn=turn: completed(server) == 5 * turn, "the tasks are recorded")  # type: ignore[misc]
        assert talker.end() == ""
        wait_until(lambda: completed(server) == 21, "the flow is recorded")
        following.sees("talking", "COMPLETED")
        assert not [line for line in following.lines if "Error" in line]
    assert violations(server.database) == []


def test_a_client_goes_on_with_the_next_key_as_soon_as_the_present_one_is_revoked(
    make_secured: Callable[..., tuple[Server, KeyFile]], tmp_path: Path
) -> None:
    server, file = make_secured()
    known = {"TOWPATH_SERVER_ADDRESS": server.address}
    owner = Client(tmp_path / "owner", {**known, "TOWPATH_API_KEY": file.key})
    owner.says("service-account", "create", "ci", "--role", "runner")
    first, following = (owner.says("key", "create", "--for", "ci") for _ in range(2))
    file.put(first)
    with subprocess.Popen(
        [sys.executable, "-c", ASKING],
        env=environment(tmp_path / "ci", **known, TOWPATH_API_KEY_FILE=str(file.path)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:

        def answer() -> str:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("?\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        assert answer() == "0"
        owner.says("key", "revoke", first.split("_")[1], "--yes")
        wait_until(lambda: answer() == "CREDENTIAL_REVOKED", "the revoked key is refused")
        file.put(following)
        assert answer() == "0"
        owner.says("key", "revoke", following.split("_")[1], "--yes")
        file.put(file.key)
        assert [answer() for _ in range(5)] == ["0"] * 5


def test_a_stream_goes_on_with_the_next_key_once_the_present_one_is_revoked(
    make_secured: Callable[..., tuple[Server, KeyFile]],
    talk: Callable[..., Talker],
    tmp_path: Path,
) -> None:
    server, file = make_secured()
    owner = Client(
        tmp_path / "owner",
        {"TOWPATH_SERVER_ADDRESS": server.address, "TOWPATH_API_KEY": file.key},
    )
    key = owner.says("key", "create")
    file.put(key)
    talker = talk(server, file)
    talker.tell("5")
    wait_until(lambda: completed(server) == 5, "the first tasks are recorded")
    seen = streams(server)
    file.put()
    owner.says("key", "revoke", key.split("_")[1], "--yes")
    wait_until(lambda: streams(server) > seen, "another stream is open")
    talker.tell("5")
    wait_until(lambda: completed(server) == 10, "all tasks are recorded")
    assert talker.end() == ""
    wait_until(lambda: completed(server) == 11, "the flow is recorded")
    assert violations(server.database) == []
