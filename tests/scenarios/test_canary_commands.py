"""A secret of the service, and API keys, are in nothing but what shows a new key once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.scenarios.conftest import on_both_databases
from tests.scenarios.sinks import CANARY, MARK, Scene, open_scene, rows_of, told_by
from tests.scenarios.test_secrets import piped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.scenarios.servers import Server

pytestmark = pytest.mark.subject("redaction", "values")

AUDIT = (
    *(("audit", "ls", "-o", how) for how in ("table", "json")),
    ("audit", "export"),
)
LOADS = """
import sys
from towpath import Secret, flow, get_run_logger

@flow
def loads(name):
    password = Secret.load(name)
    get_run_logger().info("%s is %s", name, password.get())
    print(name, password)

loads(sys.argv[1])
"""


@pytest.fixture
def scene(make_server: Callable[..., Server], tmp_path: Path) -> Iterator[Scene]:
    with open_scene(make_server, tmp_path) as opened:
        yield opened


@on_both_databases
def test_secrets_and_keys_are_in_no_sink(scene: Scene) -> None:
    sinks = scene.sinks
    use_secrets(scene)
    use_keys(scene)
    for command in AUDIT:
        sinks.add(" ".join(command), told_by(scene.client, *command))
    told = sinks.found["audit export"].decode()
    assert {"secret.use", "secret.create", "key.rotate", "token.exchange_denied"} <= {
        json.loads(line)["action"] for line in told.splitlines()
    }
    scene.receiver.wait_for(
        lambda receiver: any("AccessSecret" in span.name for span in receiver.spans), "spans"
    )
    scene.server.stop()
    sinks.add("spans", str(scene.receiver.spans) + MARK)
    sinks.add("sent logs", str(scene.receiver.logs) + MARK)
    sinks.add("log of the server", scene.server.log + MARK)
    sinks.add_folder("files of the server", scene.server.home)
    sinks.found["files of the server"] += MARK.encode()  # Rows may be elsewhere.
    sinks.add("rows of the database", rows_of(scene.server.database))
    sinks.check()


def use_secrets(scene: Scene) -> None:
    """Has the canary as a secret of the service, which a run of a service account loads."""
    client, sinks = scene.client, scene.sinks
    for verb, name in (("create", MARK), ("create", f"{MARK}-2"), ("update", MARK)):
        words = ("--debug", "secret", verb, name, "--value-file", "-", "--description", MARK)
        ended = piped(client, CANARY, *words)
        assert ended.returncode == 0, ended.stderr
        sinks.add(f"secret {verb}", ended.stdout + ended.stderr)
    for words in (
        *(("ls", "-o", how) for how in ("table", "json")),
        *(("inspect", MARK, "-o", how) for how in ("text", "json")),
        ("rm", f"{MARK}-2", "--yes"),
    ):
        sinks.add(f"secret {words[0]}", told_by(client, "secret", *words))
    client.says("service-account", "create", MARK, "--role", "runner")
    key = client.says("key", "create", "--for", MARK)
    sinks.add_key(key)
    runner = client.named(scene.folder / "runner", TOWPATH_API_KEY=key)
    ended = runner.python("-c", LOADS, MARK)
    assert ended.returncode == 0, ended.stderr
    assert f"{MARK} ***" in ended.stdout
    sinks.add("loading a secret", ended.stdout + ended.stderr)
    refused = client.python("-c", LOADS, MARK)
    assert "people never read values" in refused.stderr
    sinks.add("refusing a secret", refused.stdout + refused.stderr)


def use_keys(scene: Scene) -> None:
    """Makes, rotates, lists and revokes keys: each is shown once, by what makes it."""
    client, sinks = scene.client, scene.sinks
    made = told_by(client, "key", "create", "--name", MARK, "-o", "json")
    first = json.loads(made)["key"]
    rotated = told_by(client, "key", "rotate", first.split("_")[1], "-o", "json")
    second = json.loads(rotated)["key"]
    for key, told in ((first, made), (second, rotated)):
        sinks.add_key(key)
        sinks.add("key create and rotate, beside the key", told.replace(key, "", 1))
    for how in ("table", "json"):
        sinks.add("key ls", told_by(client, "key", "ls", "-o", how))
    revoked = told_by(client, "key", "revoke", first.split("_")[1], "--yes")
    sinks.add("key revoke", f"{revoked} {MARK}")
    refused = client.towpath("--debug", "key", "ls", TOWPATH_API_KEY=first)
    assert "it was revoked" in refused.stderr
    sinks.add("refusing a key", f"{refused.stdout} {refused.stderr} {MARK}")
