"""Starts, kills and restarts the real processes that the chaos tests are about."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.budgets import patience
from tests.forkserver.processes import ran, started

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.forkserver.client import Forked

PIPELINE = Path(__file__).with_name("pipeline.py")
DEADLINE_SECONDS = patience(240.0)


def wait_until(condition: Callable[[], bool], what: str, seconds: float = DEADLINE_SECONDS) -> None:
    """Waits for a condition; fails with its name after the deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(0.02)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    """Whether something listens on a loopback port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.5):
        return True
    return False


@dataclass(slots=True)
class Site:
    """A home folder with a server and the processes that use it."""

    home: Path
    port: int = field(default_factory=free_port)
    web_port: int = field(default_factory=free_port)
    server: subprocess.Popen[bytes] | Forked | None = None
    use_server: bool = True

    @property
    def database(self) -> Path:
        """The server's, or the local, database."""
        return self.home / "towpath.db"

    @property
    def environment(self) -> dict[str, str]:
        """What processes of this site get."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("TOWPATH_")}
        chosen = {
            "TOWPATH_HOME": str(self.home),
            "TOWPATH_DISPLAY": "quiet",
            "NO_COLOR": "1",
            "PYTHONUNBUFFERED": "1",
        }
        if self.use_server:
            chosen["TOWPATH_SERVER_ADDRESS"] = f"127.0.0.1:{self.port}"
            chosen["TOWPATH_SERVER_WEB_ADDRESS"] = f"http://127.0.0.1:{self.web_port}"
        return kept | chosen

    def start_server(self) -> None:
        """Starts the server and waits until it answers."""
        with (self.home / "server.log").open("ab") as log:
            ports = ("--port", str(self.port), "--web-port", str(self.web_port))
            self.server = started(
                "towpath",
                ["server", "start", *ports],
                environment=self.environment,
                files=(subprocess.DEVNULL, log, log),
            )
        wait_until(lambda: answers(self.port), "the server answers")

    def kill_server(self) -> None:
        """Ends the server as a power cut of its process would."""
        assert self.server is not None
        self.server.kill()
        self.server.wait(timeout=30)

    def stop_server(self) -> int:
        """Asks the server to stop and returns its exit code."""
        assert self.server is not None
        if self.server.poll() is None:
            self.server.send_signal(signal.SIGTERM)
        return self.server.wait(timeout=30)

    def pipeline(self, witness: Path, waves: int) -> subprocess.Popen[bytes] | Forked:
        """Starts the pipeline in a process of its own."""
        self.home.mkdir(exist_ok=True)
        with (self.home / "pipeline.log").open("ab") as log:
            return started(
                str(PIPELINE),
                [str(witness), str(waves)],
                environment=self.environment,
                files=(subprocess.DEVNULL, log, log),
            )

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs one `towpath` command."""
        return ran(
            "towpath",
            arguments,
            environment=self.environment,
            folder=self.home,
            timeout=DEADLINE_SECONDS,
        )
