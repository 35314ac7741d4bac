"""Secrets from end to end: the command line sets them, pipelines use them, nobody sees them."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.scenarios.clients import Client, init_auth
from tests.scenarios.servers import Server, environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.subject("values")

VALUE = "canary-7f3d9a51c2"
PIPELINE = """
import sys
from towpath import Secret, flow, get_run_logger

@flow
def connect(password):
    get_run_logger().info("with %s", password)
    return len(password.get())

print(connect(Secret.load("db-password")))
"""
FORKING = """
import os, sys
from towpath import Secret, flow

@flow
def parent():
    return len(Secret.load("db-password").get())

assert parent() == 17
if os.fork() == 0:
    print(len(Secret.load("db-password").get()), flush=True)
    os._exit(0)
os.wait()
"""


def piped(client: Client, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a command with something to read."""
    client.home.mkdir(parents=True, exist_ok=True)
    return subprocess.run(
        [sys.executable, "-m", "towpath", *arguments],
        env=environment(client.home, **client.settings),
        cwd=client.home,
        input=text,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.fixture
def laptop(tmp_path: Path) -> Client:
    """A home without any server."""
    return Client(tmp_path / "home")


def shown(ended: subprocess.CompletedProcess[str]) -> str:
    assert ended.returncode == 0, ended.stderr
    return ended.stdout + ended.stderr


def test_a_pipeline_uses_what_a_person_has_set_and_cannot_read(
    make_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = make_server()
    key = init_auth(server.home)
    server.start()
    known = {"TOWPATH_SERVER_ADDRESS": server.address}
    owner = Client(tmp_path / "owner", {**known, "TOWPATH_API_KEY": key})
    told = shown(piped(owner, f"{VALUE}\n", "secret", "create", "db-password"))
    told += owner.says("secret", "ls", "-o", "json") + owner.says("secret", "ls")
    told += owner.says("secret", "inspect", "db-password")
    refused = owner.python("-c", PIPELINE)
    assert "people never read values" in refused.stderr
    assert "role runner" in refused.stderr
    owner.says("service-account", "create", "nightly", "--role", "runner")
    runner_key = owner.says("key", "create", "--for", "nightly")
    runner = Client(tmp_path / "runner", {**known, "TOWPATH_API_KEY": runner_key})
    ended = runner.python("-c", PIPELINE)
    assert (ended.returncode, ended.stdout.strip()) == (0, str(len(VALUE))), ended.stderr
    assert "wait in the outbox" not in ended.stderr
    run = runner.runs()[0]["id"]
    told += runner.says("run", "inspect", run) + runner.says("run", "logs", run)
    assert "with ***" in told
    assert owner.towpath("secret", "update", "db-password", "--description", "x").returncode == 0
    stale = owner.towpath("secret", "update", "db-password", "--etag", "x", "--description", "y")
    assert stale.returncode != 0
    assert "has changed meanwhile" in stale.stderr
    told += owner.says("audit", "ls", "-o", "json")
    assert "secret.use" in told
    owner.says("secret", "rm", "db-password", "--yes")
    missing = runner.python("-c", PIPELINE)
    assert "there is no secret 'db-password': `towpath secret create" in missing.stderr
    told += refused.stderr + ended.stderr + missing.stderr + server.log
    assert VALUE not in told
    assert VALUE.encode() not in b"".join(
        path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()
    )


def test_a_value_survives_both_rotations_while_the_server_runs(
    make_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = make_server()
    server.start()
    client = Client(tmp_path / "client", {"TOWPATH_SERVER_ADDRESS": server.address})
    operator = Client(server.home)
    shown(piped(client, VALUE, "secret", "create", "db-password"))
    load = "from towpath import Secret; print(Secret.load('db-password').get())"
    assert "1 values are sealed with new data keys" in operator.says(
        "server", "rotate-keys", "--data-keys"
    )
    assert client.python("-c", load).stdout.strip() == VALUE
    new = str(server.home / "new.key")
    operator.says("server", "rotate-keys", "--new-key-file", new)
    (server.home / "server.key").unlink()
    # What has been opened stays open; a start needs the new key.
    assert client.python("-c", load).stdout.strip() == VALUE
    server.stop()
    ended = operator.python("-c", load)
    assert "bring it back" in ended.stderr
    assert VALUE not in ended.stderr
    again = Client(server.home, {"TOWPATH_SERVER_KEY_FILE": new})
    assert again.python("-c", load).stdout.strip() == VALUE


def test_a_forked_child_reads_secrets_too(
    make_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = make_server()
    server.start()
    client = Client(tmp_path / "client", {"TOWPATH_SERVER_ADDRESS": server.address})
    client.settings["TOWPATH_SERVER_WEB_ADDRESS"] = server.web_address
    shown(piped(client, VALUE, "secret", "create", "db-password"))
    ended = client.python("-c", FORKING)
    assert (ended.returncode, ended.stdout.strip()) == (0, "17"), ended.stderr


def test_a_laptop_without_a_server_keeps_secrets_too(laptop: Client) -> None:
    told = shown(piped(laptop, VALUE, "secret", "create", "db-password", "--description", "x"))
    assert (laptop.home / "server.key").stat().st_mode & 0o777 == 0o600
    ended = laptop.python("-c", PIPELINE)
    assert ended.stdout.strip() == str(len(VALUE)), ended.stderr
    told += shown(piped(laptop, "other", "secret", "update", "db-password"))
    told += laptop.says("secret", "inspect", "db-password", "-o", "json")
    assert '"version": "2"' in told
    assert VALUE not in told + ended.stderr
    load = "from towpath import Secret; print(Secret.load('db-password').get())"
    assert laptop.python("-c", load).stdout == "other\n"
    laptop.settings["TOWPATH_SECRET_DB_PASSWORD"] = "from the environment"
    assert laptop.python("-c", load).stdout == "from the environment\n"


REFUSED = {
    "as an argument": (["secret", "create", "x", VALUE], "history"),
    "as an argument of an update": (["secret", "update", "x", VALUE], "history"),
    "as an option": (["secret", "create", "x", f"--value={VALUE}"], "No such option"),
    "as an option's word": (["secret", "create", "x", "--value", VALUE], "No such option"),
    "nothing": (["secret", "create", "x"], "the value is empty"),
    "a file that isn't there": (["secret", "create", "x", "--value-file", "none"], "can't read"),
    "a bad name": (["secret", "create", "X_Y", "--value-file", "some"], "secret_id"),
    "nobody's": (["secret", "inspect", "nobody"], "was not found"),
    "too much": (["secret", "create", "x", "--value-file", "large"], "more than 65536 bytes"),
}


@pytest.mark.parametrize("how", REFUSED)
def test_what_is_refused_is_explained_and_not_repeated(laptop: Client, how: str) -> None:
    words, why = REFUSED[how]
    laptop.home.mkdir()
    (laptop.home / "some").write_text(VALUE)
    (laptop.home / "large").write_text(VALUE * 5000)
    ended = laptop.towpath(*words)
    assert ended.returncode != 0
    assert why in ended.stderr
    assert VALUE not in ended.stderr + ended.stdout
    assert "Traceback" not in ended.stderr


def test_what_is_typed_is_not_echoed(laptop: Client) -> None:
    laptop.home.mkdir()
    child, terminal = pty.fork()
    if child == 0:
        command = [sys.executable, "-m", "towpath", "secret", "create", "typed"]
        os.execve(sys.executable, command, environment(laptop.home))
    seen = b""
    for _ in range(2):
        while seen.count(b":") == 0 or not seen.rstrip(b" ").endswith(b":"):
            seen += os.read(terminal, 1000)
        os.write(terminal, f"{VALUE}\n".encode())
        seen += b"|"
    try:
        while more := os.read(terminal, 1000):
            seen += more
    except OSError:
        pass  # The other side has closed its end.
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, seen
    assert b" created: Secret.load" in seen
    assert VALUE.encode() not in seen
    load = "from towpath import Secret; print(Secret.load('typed').get())"
    assert laptop.python("-c", load).stdout.strip() == VALUE
