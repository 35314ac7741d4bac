"""The two sides: how each one's server starts, and what its pipelines are given.

Each turn of a side has a new home, so a new database, and no server of the other side beside it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import psutil

from tests.scenarios.servers import DEADLINE_SECONDS, Server, environment, free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

HERE: Final = Path(__file__).parent
START_SECONDS: Final = 120.0
"""Prefect's server makes its tables first, in many steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A server that answers, and the environment of processes that report to it."""

    server: psutil.Process
    environment: Mapping[str, str]

    def megabytes(self) -> float:
        """Resident memory of the server and of what it started."""
        family = [self.server, *self.server.children(recursive=True)]
        return sum(process.memory_info().rss for process in family) / 1e6


class Side(Protocol):
    """Towpath or Prefect."""

    @property
    def package(self) -> str:
        """What pipelines import."""

    @property
    def python(self) -> Path:
        """The interpreter that has it."""

    def running(self, home: Path) -> AbstractContextManager[Running]:
        """A server on a home of its own, stopped when the context ends."""


@dataclass(frozen=True, slots=True)
class Towpath:
    """Towpath of this source tree, its server on SQLite."""

    package: str = "towpath"
    python: Path = Path(sys.executable)

    @contextmanager
    def running(self, home: Path) -> Iterator[Running]:
        """A server on a home of its own, stopped when the context ends."""
        server = Server(home=home)
        try:
            server.start()
            given = environment(home, TOWPATH_DISPLAY="quiet")
            yield Running(server=psutil.Process(server.pid), environment=given)
        finally:
            server.stop()


@dataclass(frozen=True, slots=True)
class Prefect:
    """Prefect, its server on SQLite, without its web UI, analytics and the engine's log lines."""

    python: Path
    package: str = "prefect"

    @contextmanager
    def running(self, home: Path) -> Iterator[Running]:
        """A server on a home of its own, stopped when the context ends."""
        port = free_port()
        given = _prefect_environment(home, f"http://127.0.0.1:{port}/api")
        home.mkdir(parents=True)
        log = home / "server.log"
        command = ["-m", "prefect", "server", "start", "--no-ui", "--host", "127.0.0.1"]
        with log.open("wb") as output:
            process = subprocess.Popen(
                [self.python, *command, "--port", str(port)],
                env=given,
                stdout=output,
                stderr=output,
            )
        try:
            wait_until(
                lambda: _is_healthy(process, given["PREFECT_API_URL"], log),
                f"Prefect's server answers; its log is {log}",
                START_SECONDS,
            )
            yield Running(server=psutil.Process(process.pid), environment=given)
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(DEADLINE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _prefect_environment(home: Path, api: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")}
    return kept | {
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": api,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_LOGGING_LEVEL": "WARNING",
        # Towpath's default. Prefect's is a thread for each task, which was no faster.
        "PREFECT_TASKS_RUNNER_THREAD_POOL_MAX_WORKERS": "16",
    }


def _is_healthy(process: subprocess.Popen[bytes], api: str, log: Path) -> bool:
    assert process.poll() is None, f"Prefect's server ended:\n{log.read_text(encoding='utf-8')}"
    time.sleep(0.1)
    try:
        with urllib.request.urlopen(f"{api}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
