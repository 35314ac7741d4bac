"""Real server processes for scenarios: started, drained, killed, started again in place."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import grpc
from towpath._transport.discovery import find_server

from tests.budgets import patience
from tests.forkserver.processes import started

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from typing import IO

    from tests.forkserver.client import Forked

DEADLINE_SECONDS = patience(240.0)


def wait_until(condition: Callable[[], bool], what: str, seconds: float = DEADLINE_SECONDS) -> None:
    """Waits for a condition; fails with its name after the deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.01)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(home: Path, **settings: str) -> dict[str, str]:
    """What a process of a home gets: none of this machine's own settings of Towpath."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("TOWPATH_")}
    return kept | {"TOWPATH_HOME": str(home), "PYTHONUNBUFFERED": "1"} | settings


@dataclass(slots=True)
class Server:
    """A server process on a home of its own."""

    home: Path
    port: int = field(default_factory=free_port)
    web_port: int = field(default_factory=free_port)
    options: Sequence[str] = ()
    dsn: str = ""
    """Of a database in PostgreSQL; empty for SQLite."""
    times: Mapping[str, float] = field(default_factory=dict)
    """Fields of `StreamTimes` that differ; no option of the command sets them."""
    tokens: Mapping[str, float] = field(default_factory=dict)
    """`life_seconds` of access tokens, and `notice_seconds`: how long before a token's end streams
    are asked to move. No option of the command sets them either."""
    forked: bool = True
    """From a process that has the imports; otherwise an interpreter is started for it."""
    process: subprocess.Popen[bytes] | Forked | None = None

    @property
    def address(self) -> str:
        """host:port of gRPC."""
        return f"127.0.0.1:{self.port}"

    @property
    def web_address(self) -> str:
        """Base URL of the web port."""
        return f"http://127.0.0.1:{self.web_port}"

    @property
    def database(self) -> Path | str:
        """What it records in: a file of SQLite, or the DSN of one in PostgreSQL."""
        return self.dsn or self.home / "towpath.db"

    @property
    def log(self) -> str:
        """What the server has printed in all its lives."""
        return (self.home / "server.log").read_text(encoding="utf-8")

    @property
    def pid(self) -> int:
        """Id of the process."""
        assert self.process is not None
        return self.process.pid

    def launch(self) -> None:
        """Starts the process and returns at once."""
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "server.log").open("ab") as log:
            self.process = self._launched(log)

    def start(self) -> None:
        """Starts the process and waits until both ports answer and it is found on its home."""
        self.launch()
        wait_until(self._answers, f"the server answers; its log:\n{self.log}")

    def stop(self) -> int:
        """Asks the server to stop, waits for it and returns its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(DEADLINE_SECONDS)

    def kill(self) -> None:
        """Ends the process as the out-of-memory killer would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(DEADLINE_SECONDS)

    def restart(self) -> None:
        """Kills the process and starts another on the same ports and database."""
        self.kill()
        self.start()

    def channel(self) -> grpc.Channel:
        """A new channel to the gRPC port; close it."""
        return grpc.insecure_channel(self.address)

    def _launched(self, log: IO[bytes]) -> subprocess.Popen[bytes] | Forked:
        module, arguments = self._command()
        if not self.forked:
            return subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                env=environment(self.home),
                stdout=log,
                stderr=log,
            )
        return started(
            module,
            arguments,
            environment=environment(self.home),
            files=(subprocess.DEVNULL, log, log),
        )

    def _command(self) -> tuple[str, list[str]]:
        """The module that runs, and its arguments."""
        if not self.times and not self.tokens:
            ports = ("--port", str(self.port), "--web-port", str(self.web_port))
            database = ("--database", self.dsn) if self.dsn else ()
            return "towpath_service", ["start", *ports, *database, *self.options]
        where = (str(self.home), self.dsn, str(self.port), str(self.web_port))
        changed = (json.dumps(self.times), json.dumps(self.tokens))
        return "tests.scenarios.timed", [*where, *changed]

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"the server ended:\n{self.log}"
        # Commands on its home would look into its database before it is found there.
        found = find_server(self.home) is not None
        return found and all(listens(port) for port in (self.port, self.web_port))


def listens(port: int) -> bool:
    """Whether a process listens on a port of this machine."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
