"""A secret that a pipeline is careless with is in nothing that Towpath writes, sends or shows.

Each sink is shown to have been reached: it has a word of the run that is no secret.
"""

from __future__ import annotations

import base64
import json
import sqlite3
import subprocess
import sys
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from tests.scenarios.servers import environment
from tests.scenarios.test_identity import Client, init_auth
from tests.telemetry.receiver import Receiver

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.scenarios.servers import Server

PIPELINE = Path(__file__).with_name("canary_pipeline.py")
CANARY = "kanarie-Vogel+1/'Kwartel"
MARK = "plainword"
COMMANDS = (
    *(("run", "ls", "-o", how) for how in ("json", "wide")),
    ("run", "logs", "{run}"),
    ("run", "logs", "{run}", "-o", "json"),
    ("run", "inspect", "{run}"),
    ("run", "inspect", "{run}", "-o", "json"),
    ("flow", "ls", "-o", "json"),
)


def forms() -> list[bytes]:
    """The canary, however it is written."""
    content = CANARY.encode()
    plain = (CANARY, repr(CANARY)[1:-1], json.dumps(CANARY)[1:-1], quote(CANARY, safe=""))
    hidden = (
        base64.b64encode(content)[:-4],
        base64.urlsafe_b64encode(b"a" + content)[4:-4],
        base64.urlsafe_b64encode(b"ab" + content)[4:-4],
        content.hex().encode(),
    )
    # Each of its parts as well, should something be cut or wrapped.
    return [*(form.encode() for form in plain), *hidden, b"kanarie", b"Kwartel"]


@dataclass
class Sinks:
    """What came out where."""

    found: dict[str, bytes] = field(default_factory=dict)
    secrets: list[bytes] = field(default_factory=forms)

    def add(self, name: str, content: str | bytes) -> None:
        content = content.encode() if isinstance(content, str) else content
        self.found[name] = self.found.get(name, b"") + content

    def add_folder(self, name: str, folder: Path) -> None:
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert files
        for path in files:
            self.add(name, str(path.relative_to(folder)) + "\n")
            self.add(name, path.read_bytes())

    def check(self) -> None:
        unreached = [name for name, content in self.found.items() if MARK.encode() not in content]
        assert unreached == []
        leaks = {
            (name, secret)
            for name, content in self.found.items()
            for secret in self.secrets
            if secret in content
        }
        assert leaks == set()


@dataclass
class Scene:
    """A server with identity, and a client with a key, both telling a collector all."""

    server: Server
    client: Client
    receiver: Receiver
    sinks: Sinks
    folder: Path

    def run(self, *, display: str, server: bool) -> None:
        """Runs the pipeline, and keeps what it prints."""
        reprs = self.folder / "reprs.txt"
        settings = dict(self.client.settings)
        if not server:
            del settings["TOWPATH_SERVER_ADDRESS"]
        canary = self.folder / "canary"
        canary.write_text(CANARY)
        ended = subprocess.run(
            [sys.executable, str(PIPELINE), MARK],
            env={
                **environment(self.client.home, **settings),
                **self.receiver.environment,
                "OTEL_TRACES_EXPORTER": "otlp",
                "TOWPATH_DISPLAY": display,
                "CANARY_FILE": str(canary),
                "REPRS_FILE": str(reprs),
            },
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert ended.returncode == 1, ended.stderr
        self.sinks.add(f"stdout, {display}", ended.stdout)
        self.sinks.add(f"stderr, {display}", ended.stderr)
        self.sinks.add("reprs", reprs.read_text())


@pytest.fixture
def scene(make_server: Callable[..., Server], tmp_path: Path) -> Any:
    with Receiver() as receiver:
        server = make_server(options=("--metrics",))
        key = init_auth(server.home)
        with pytest.MonkeyPatch.context() as patched:
            for name, value in receiver.environment.items():
                patched.setenv(name, value)
            patched.setenv("OTEL_TRACES_EXPORTER", "otlp")
            patched.setenv("OTEL_LOGS_EXPORTER", "otlp")
            server.start()
        home = tmp_path / "client"
        home.mkdir()
        settings = {"TOWPATH_SERVER_ADDRESS": server.address, "TOWPATH_API_KEY": key}
        sinks = Sinks()
        sinks.secrets.append(key.encode())
        yield Scene(server, Client(home, settings), receiver, sinks, tmp_path)


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
    sinks.add_folder("files of the client, after all", client.home)
    sinks.add("rows of the database", _rows(scene.server.home / "towpath.db"))
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


def _rows(database: Path) -> str:
    """Every row of every table, whatever its column."""
    connection = sqlite3.connect(database)
    try:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        return "\n".join(
            repr(row)
            for (table,) in tables.fetchall()
            for row in connection.execute(f'SELECT * FROM "{table}"')
        )
    finally:
        connection.close()
