"""The `towpath` command and pipelines, as processes with a home of their own."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from tests.forkserver.processes import ran, started
from tests.forkserver.server import CODE
from tests.scenarios.servers import DEADLINE_SECONDS, environment, wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.forkserver.client import Forked

FAN_OUT = """
from towpath import flow, get_run_logger, task

@task
def load(part):
    get_run_logger().info("loading %s", part)
    if part == 1:
        get_run_logger().warning("part 1 looks odd")
        raise ValueError("part 1 is broken")
    return part

@task
def combine(parts):
    return sum(parts)

@flow
def fan_out():
    return combine.submit(load.map(range(3)))

@flow
def lonely():
    return 1

lonely()
fan_out(return_state=True)
"""

GATED = """
import os, sys, time
from towpath import flow, get_run_logger, task

@task
def first():
    get_run_logger().info("at the gate")

@task
def second(gate):
    while not os.path.exists(gate):
        time.sleep(0.01)
    get_run_logger().info("through the gate")
    if len(sys.argv) > 2:
        raise ValueError("on the other side")

@flow
def gated(gate):
    first()
    second(gate)

gated(sys.argv[1], return_state=True)
"""


def towpath(home: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end."""
    return ran(
        "towpath",
        arguments,
        environment=environment(home, **settings),
        folder=home,
        timeout=DEADLINE_SECONDS,
    )


def listed(home: Path, *filters: str) -> list[dict[str, Any]]:
    """The runs that a list of all prints."""
    result = towpath(home, "run", "ls", "--all", "-o", "json", *filters)
    assert result.returncode == 0, result.stderr
    return list(json.loads(result.stdout))


def pipeline(home: Path, code: str, *arguments: str) -> subprocess.Popen[bytes] | Forked:
    """Starts a pipeline, which prints where the tests do."""
    home.mkdir(exist_ok=True)
    return started(
        CODE,
        (code, *arguments),
        environment=environment(home),
        files=(subprocess.DEVNULL, 1, 2),
    )


@dataclass
class Following:
    """A command that goes on, and what it has printed so far."""

    home: Path
    arguments: tuple[str, ...]
    lines: list[str] = field(default_factory=list)
    settings: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        read, write = os.pipe()
        self.process = started(
            "towpath",
            self.arguments,
            environment=environment(self.home, **self.settings),
            folder=self.home,
            files=(subprocess.DEVNULL, write, write),
        )
        os.close(write)
        self._output = os.fdopen(read)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.process.kill()
        self.end()

    def sees(self, *words: str) -> None:
        """Waits for a line with these words."""
        wait_until(
            lambda: any(all(word in line for word in words) for line in list(self.lines)),
            f"{words} in {self.lines}",
        )

    def end(self) -> int:
        """Waits for the end and returns the exit code."""
        code = self.process.wait(DEADLINE_SECONDS)
        self._reader.join()
        self._output.close()
        return code

    def _read(self) -> None:
        for line in self._output:
            self.lines.append(line.rstrip())
