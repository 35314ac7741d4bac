"""Clients of a server with identity: a home, its settings, and scripts to run."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.scenarios.commands import towpath
from tests.scenarios.servers import environment

if TYPE_CHECKING:
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

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        self.home.mkdir(parents=True, exist_ok=True)
        return subprocess.run(
            [sys.executable, *arguments],
            env=environment(self.home, **self.settings),
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
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
