"""Where a secret could come out: all that Towpath writes, sends or shows, searched for a canary.

Each sink has to have been reached: it has a word of the run that is no secret.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import asyncpg
import pytest

from tests.forkserver.processes import ran
from tests.scenarios.clients import Client, init_auth
from tests.scenarios.servers import DEADLINE_SECONDS, environment
from tests.telemetry.receiver import Receiver

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from tests.scenarios.servers import Server

PIPELINE = Path(__file__).with_name("canary_pipeline.py")
CANARY = "kanarie-Vogel+1/'Kwartel"
MARK = "plainword"


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

    found: dict[str, bytes] = field(default_factory=dict[str, bytes])
    secrets: list[bytes] = field(default_factory=forms)

    def add(self, name: str, content: str | bytes) -> None:
        content = content.encode() if isinstance(content, str) else content
        self.found[name] = self.found.get(name, b"") + content

    def add_folder(self, name: str, folder: Path) -> None:
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert files, name
        for path in files:
            self.add(name, str(path.relative_to(folder)) + "\n")
            self.add(name, path.read_bytes())

    def add_key(self, key: str) -> None:
        """Nothing may have this API key, nor the secret part of it."""
        self.secrets += [key.encode(), key.split("_")[2][:-6].encode()]

    def check(self) -> None:
        unreached = [name for name, content in self.found.items() if MARK.encode() not in content]
        assert not unreached, unreached
        leaks = {
            (name, secret)
            for name, content in self.found.items()
            for secret in self.secrets
            if secret in content
        }
        assert not leaks, leaks


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
        ended = ran(
            str(PIPELINE),
            [MARK],
            environment={
                **environment(self.client.home, **settings),
                **self.receiver.environment,
                "OTEL_TRACES_EXPORTER": "otlp",
                "TOWPATH_DISPLAY": display,
                "CANARY_FILE": str(canary),
                "REPRS_FILE": str(reprs),
            },
            folder=self.folder,
            timeout=DEADLINE_SECONDS,
        )
        assert ended.returncode == 1, ended.stderr
        self.sinks.add(f"stdout, {display}", ended.stdout)
        self.sinks.add(f"stderr, {display}", ended.stderr)
        self.sinks.add("reprs", reprs.read_text())


@contextmanager
def open_scene(make_server: Callable[..., Server], folder: Path) -> Generator[Scene]:
    """Starts a server with identity, and has it and its client tell a collector all."""
    with Receiver() as receiver:
        server = make_server(options=("--metrics",))
        key = init_auth(server.home, *(("--database", server.dsn) if server.dsn else ()))
        with pytest.MonkeyPatch.context() as patched:
            for name, value in receiver.environment.items():
                patched.setenv(name, value)
            patched.setenv("OTEL_TRACES_EXPORTER", "otlp")
            patched.setenv("OTEL_LOGS_EXPORTER", "otlp")
            server.start()
        home = folder / "client"
        home.mkdir()
        settings = {"TOWPATH_SERVER_ADDRESS": server.address, "TOWPATH_API_KEY": key}
        sinks = Sinks()
        sinks.add_key(key)
        yield Scene(server, Client(home, settings), receiver, sinks, folder)


def told_by(client: Client, *words: str) -> str:
    """All that a command says, which has to go well."""
    ended = client.towpath("--debug", *words)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout + ended.stderr


def rows_of(database: Path | str) -> str:
    """Every row of every table, whatever its column."""
    if isinstance(database, str):
        return asyncio.run(_rows_of_postgres(database))
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


async def _rows_of_postgres(dsn: str) -> str:
    connection = await cast("Any", asyncpg).connect(dsn)
    try:
        tables = await connection.fetch(
            "SELECT table_name FROM information_schema.tables"
            " WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
        )
        rows = [
            row[0]
            for (table,) in tables
            for row in await connection.fetch(f'SELECT t::text FROM "{table}" t')
        ]
    finally:
        await connection.close()
    return "\n".join(rows)
