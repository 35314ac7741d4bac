"""A secret that a pipeline is careless with is in nothing that Towpath writes, sends or shows.

Each sink is shown to have been reached: it has a word of the run that is no secret.
"""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from tests.scenarios.conftest import on_both_databases
from tests.scenarios.sinks import CANARY, MARK, Scene, Sinks, open_scene, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.scenarios.clients import Client
    from tests.scenarios.servers import Server

pytestmark = pytest.mark.subject("redaction")

COMMANDS = (
    *(("run", "ls", "--all", "-o", how) for how in ("json", "wide")),
    ("run", "logs", "{run}"),
    ("run", "logs", "{run}", "-o", "json"),
    ("run", "inspect", "{run}"),
    ("run", "inspect", "{run}", "-o", "json"),
    ("flow", "ls", "-o", "json"),
)


@pytest.fixture
def scene(make_server: Callable[..., Server], tmp_path: Path) -> Iterator[Scene]:
    with open_scene(make_server, tmp_path) as opened:
        yield opened


@on_both_databases
def test_a_canary_is_in_no_sink(scene: Scene) -> None:
    sinks, client = scene.sinks, scene.client
    scene.run(display="plain", server=False)
    sinks.add_folder("files of the client, before delivery", client.home)
    synced = client.towpath("sync")
    assert synced.returncode == 0, synced.stderr
    scene.run(display="quiet", server=True)
    sinks.found.pop("stdout, quiet")  # Says nothing at all.
    runs = client.runs()
    assert len(runs) >= 20
    of_each_name = list({run["name"]: run for run in runs}.values())
    for command in COMMANDS:
        for run in of_each_name if "{run}" in command else runs[:1]:
            words = [word.format(run=run["id"]) for word in command]
            ended = client.towpath("--debug", *words)
            assert ended.returncode == 0, ended.stderr
            sinks.add(" ".join(command), ended.stdout + ended.stderr)
    sinks.found["flow ls -o json"] += MARK.encode()  # Names of flows alone.
    scene.receiver.wait_for(
        lambda receiver: len(receiver.named("task breaks")) >= 8, "spans of the tasks"
    )
    sinks.add("spans", str([span for span in scene.receiver.spans if _is_of_sdk(span)]))
    sinks.add("metrics", str(scene.receiver.points) + MARK)
    sinks.add("sent logs", str(scene.receiver.logs) + MARK)
    with urllib.request.urlopen(f"{scene.server.web_address}/metrics") as answer:
        sinks.add("metrics page", answer.read() + MARK.encode())
    sinks.add("client objects", _objects(client))
    scene.server.stop()
    sinks.add("log of the server", scene.server.log + MARK)
    sinks.add_folder("files of the server", scene.server.home)
    sinks.found["files of the server"] += MARK.encode()  # Rows may be elsewhere.
    sinks.add_folder("files of the client, after all", client.home)
    sinks.add("rows of the database", rows_of(scene.server.database))
    sinks.check()
    told = sinks.found["run logs {run}"].decode()
    assert told.count("plainword has ***") >= 8
    assert "trying *** for plainword" in told
    assert "key ***" in told
    assert 'no login for plainword with "***"' in sinks.found["run inspect {run}"].decode()
    assert "parameter 'password'" in sinks.found["stdout, plain"].decode()


def test_the_test_sees_a_leak() -> None:
    sinks = Sinks()
    for form in (CANARY, json.dumps(CANARY), quote(CANARY, safe="")):
        sinks.found.clear()
        sinks.add("somewhere", f"{MARK} {form}")
        with pytest.raises(AssertionError, match="somewhere"):
            sinks.check()
    sinks.found.clear()
    sinks.add("nothing came", "else")
    with pytest.raises(AssertionError, match="nothing came"):
        sinks.check()


def _is_of_sdk(span: Any) -> bool:
    return "towpath" in span.scope or span.name.startswith(("flow", "task", "wait", "execute"))


def _objects(client: Client) -> str:
    """What the client's own objects look like."""
    code = (
        "from towpath.client import connect\n"
        "from towpath.settings import get_settings\n"
        "settings = get_settings()\n"
        "print(settings)\n"
        "with connect(settings) as client:\n"
        "    for run in client.runs():\n"
        "        print(repr(run), client.run(run.id), *client.logs(run.id))\n"
    )
    ended = client.python("-c", code)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout
