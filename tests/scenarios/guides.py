"""Guides to be walked: what they have their readers type, and a shell to type it in."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shlex
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from towpath_auth.credentials import KEY_PATTERN

from tests.forkserver.processes import command_line, started
from tests.scenarios.servers import DEADLINE_SECONDS, environment, wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.forkserver.client import Forked

GUIDES = Path(__file__).resolve().parents[2] / "docs" / "guides"
_PARTS = re.compile(
    r"^#+ (?P<heading>[^\n]*)$|^```(?P<language>[a-z]*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_COMMENT = re.compile(r"[ ]+# .*$", re.MULTILINE)
_CONTINUED = re.compile(r"\s*\\\n\s*")
_EXPORT = re.compile(r"export (\w+)=(.*)")
_UNSET = re.compile(r"unset (\w+)")
_FREE_PORTS = "--port 0 --web-port 0"


def commands_of(guide: str) -> dict[str, list[str]]:
    """The commands of a guide's shell blocks, in order, by the heading that they stand under."""
    found: dict[str, list[str]] = {}
    heading = ""
    for part in _PARTS.finditer((GUIDES / f"{guide}.md").read_text(encoding="utf-8")):
        heading = part["heading"] or heading
        if part["language"] in {"bash", "sh"}:
            plain = _CONTINUED.sub(" ", _COMMENT.sub("", part["code"]))
            found.setdefault(heading, []).extend(plain.splitlines())
    return found


def key_in(shown: str) -> str:
    """The one API key that is shown."""
    (key,) = (match[0] for match in KEY_PATTERN.finditer(shown))
    return key


def id_of(key: str) -> str:
    """The public id of a key."""
    return key.split("_")[1]


@dataclass
class Terminal:
    """A shell of somebody who follows a guide, on the machine that runs the server."""

    home: Path
    programs: Path
    """Folder of programs that come before all others."""
    settings: dict[str, str] = field(default_factory=dict[str, str])
    stands_for: dict[str, str] = field(default_factory=dict[str, str])
    """What the guide leaves to its reader, such as a key, and what it is here."""
    typed: list[str] = field(default_factory=list[str])
    """Commands of the guide so far, as it has them."""
    server: subprocess.Popen[bytes] | Forked | None = None

    def __post_init__(self) -> None:
        self.home.mkdir(exist_ok=True)
        self.program("towpath", f'exec {shlex.join(command_line("towpath"))} "$@"')

    @property
    def address(self) -> str:
        """host:port of the server on this home."""
        return str(self._announced()["grpc"])

    @property
    def web_address(self) -> str:
        """Base URL of its web port."""
        return str(self._announced()["web"])

    def program(self, name: str, script: str) -> Path:
        """Makes a program that commands find by its name."""
        self.programs.mkdir(exist_ok=True)
        file = self.programs / name
        file.write_text(f"#!/bin/bash\n{script}\n", encoding="utf-8")
        file.chmod(0o700)
        return file

    def types(
        self,
        command: str,
        *,
        answers: Mapping[str, str] | None = None,
        terminal: bool = False,
        ends: int = 0,
    ) -> str:
        """Runs a command of the guide to its end.

        Args:
            command: As the guide has it.
            answers: What to type at which prompt, in order.
            terminal: Whether it runs in a terminal although it asks nothing.
            ends: Its exit code.

        Returns:
            All that it shows.
        """
        self.typed.append(command)
        meant = self._meant(command)
        if exported := _EXPORT.fullmatch(meant):
            self.settings[exported[1]] = self.runs(f"printf %s {exported[2]}")
            return ""
        if unset := _UNSET.fullmatch(meant):
            del self.settings[unset[1]]
            return ""
        if answers or terminal:
            code, shown = self._asked(meant, answers or {})
        else:
            code, shown = self._ran(meant)
        assert code == ends, shown
        return shown

    def runs(self, command: str, *, ends: int = 0, **settings: str) -> str:
        """Runs a command that isn't the guide's; returns all that it shows."""
        code, shown = self.tries(command, **settings)
        assert code == ends, shown
        return shown

    def tries(self, command: str, **settings: str) -> tuple[int, str]:
        """Runs a command; returns its exit code and all that it shows."""
        return replace(self, settings=self.settings | settings)._ran(command)

    def serves(self, command: str, *options: str, typed: bool = True) -> None:
        """Runs a server until the end of the walk, and returns when it answers."""
        if typed:
            self.typed.append(command)
        words = " ".join([self._meant(command), _FREE_PORTS, *options])
        program, *arguments = self.runs(f"printf '%s\\n' {words}").splitlines()
        assert program == "towpath"
        with (self.home / "server.log").open("ab") as log:
            self.server = started(
                program,
                arguments,
                environment=self._environment(),
                folder=self.home,
                files=(subprocess.DEVNULL, log, log),
            )
        pid = self.server.pid
        wait_until(lambda: self._announced().get("pid") == pid, "the server answers")

    def stops(self) -> None:
        """Presses Ctrl-C where the server runs, if one does."""
        if self.server is not None:
            self.server.terminate()
            self.server.wait(DEADLINE_SECONDS)
            self.server = None

    def _announced(self) -> dict[str, object]:
        with suppress(OSError, ValueError):
            return dict(json.loads((self.home / "server.json").read_text()))
        return {}

    def _environment(self) -> dict[str, str]:
        path = f"{self.programs}{os.pathsep}{os.environ['PATH']}"
        return environment(self.home, **{"PATH": path, **self.settings})

    def _meant(self, command: str) -> str:
        for word, meant in self.stands_for.items():
            command = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", meant, command)
        return command

    def _ran(self, command: str) -> tuple[int, str]:
        ended = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            env=self._environment(),
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=False,
        )
        return ended.returncode, ended.stdout + ended.stderr

    def _asked(self, command: str, answers: Mapping[str, str]) -> tuple[int, str]:
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            ["bash", "-c", command],
            env=self._environment(),
            cwd=self.home,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        shown = ""
        try:
            for prompt, answer in answers.items():
                shown += _until(ours, prompt)
                os.write(ours, f"{answer}\n".encode())
            shown += _until(ours, None)
            return process.wait(DEADLINE_SECONDS), shown
        finally:
            process.kill()
            os.close(ours)


def _until(terminal: int, prompt: str | None) -> str:
    """What is shown up to a prompt, or to the end."""
    shown = ""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while prompt is None or not shown.endswith(prompt):
        left = deadline - time.monotonic()
        assert left > 0, f"{prompt!r} never came: {shown!r}"
        if not select.select([terminal], [], [], left)[0]:
            continue
        try:
            more = os.read(terminal, 4096)
        except OSError:
            more = b""  # The other side has closed its end.
        if not more:
            assert prompt is None, f"{prompt!r} never came: {shown!r}"
            return shown
        shown += more.decode()
    return shown
