"""Clients of a server with identity: a home, its settings, and scripts to run."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.forkserver.processes import ran
from tests.scenarios.commands import towpath
from tests.scenarios.servers import DEADLINE_SECONDS, environment

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path


HELLO = """
from towpath import flow, task

@task
def double(x):
    return 2 * x

@flow
def hello():
    return sum(double(i) for i in range(3))

hello()
"""
FORKING = """
import os, sys
from towpath import flow

@flow
def parent():
    return 1

@flow
def child():
    return 2

parent()
if os.fork() == 0:
    child()
    sys.exit(0)
os.wait()
"""


@dataclass
class Client:
    """A home with what it calls the server with."""

    home: Path
    settings: dict[str, str] = field(default_factory=dict[str, str])

    def towpath(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        self.home.mkdir(parents=True, exist_ok=True)
        return towpath(self.home, *arguments, **{**self.settings, **more})

    def says(self, *arguments: str, **more: str) -> str:
        """What a command prints, which has to go well."""
        ended = self.towpath(*arguments, **more)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.strip()

    def python(self, what: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs the script of a path, or with `-c` the code that follows."""
        self.home.mkdir(parents=True, exist_ok=True)
        return ran(
            what,
            arguments,
            environment=environment(self.home, **self.settings),
            folder=self.home,
            timeout=DEADLINE_SECONDS,
        )

    def runs(self) -> list[dict[str, Any]]:
        return list(json.loads(self.says("run", "ls", "--all", "-o", "json")))

    def named(self, home: Path, **more: str) -> Client:
        return Client(home, {**self.settings, **more})


def init_auth(home: Path, *options: str) -> str:
    """Switches identity on, and returns the first owner's key."""
    home.mkdir(parents=True, exist_ok=True)
    ended = towpath(home, "server", "init-auth", "--owner", "ada@example.org", *options)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("\n") == 1
    return ended.stdout.strip()
