"""Python environments that have Towpath of this checkout, or of an earlier commit.

The earlier one is built from git's history, and shares the installed packages of the environment
that runs the tests. `earlier_commit.txt` names the commit.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import tomllib
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

CHECKOUT: Final = Path(__file__).parents[2]
COMMIT_FILE: Final = Path(__file__).parent / "earlier_commit.txt"
_PACKAGES: Final = ("sdk", "auth", "service")
_FETCH_SECONDS: Final = 120


@dataclass(frozen=True, slots=True)
class Environment:
    """An interpreter, and which Towpath it has."""

    name: str
    python: Path

    def start(
        self, *arguments: str, variables: dict[str, str], log: Path, folder: Path
    ) -> subprocess.Popen[bytes]:
        """Starts the interpreter; its output goes to the end of a file.

        Args:
            arguments: Of the interpreter, such as `-m towpath run ls`.
            variables: All of its variables.
            log: File that takes what it prints.
            folder: Where it runs.
        """
        with log.open("ab") as output:
            return subprocess.Popen(
                [str(self.python), *arguments],
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=folder,
            )

    def run(
        self, *arguments: str, variables: dict[str, str], folder: Path, timeout_seconds: float
    ) -> subprocess.CompletedProcess[str]:
        """Runs the interpreter to its end.

        Args:
            arguments: Of the interpreter.
            variables: All of its variables.
            folder: Where it runs.
            timeout_seconds: Longest wait.
        """
        return subprocess.run(
            [str(self.python), *arguments],
            env=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=folder,
            timeout=timeout_seconds,
            check=False,
        )


def present() -> Environment:
    """The environment of this process, which has this checkout."""
    return Environment("today", Path(sys.executable))


def earlier(folder: Path, *, checkout: Path = CHECKOUT, commit: str = "") -> Environment:
    """Builds the environment that has the earlier commit.

    Args:
        folder: Where it is built; must not exist.
        checkout: The git checkout whose history has the commit.
        commit: Full id of the commit; that of the file by default.
    """
    commit = commit or COMMIT_FILE.read_text(encoding="utf-8").strip()
    _obtain(checkout, commit)
    archive = _git(checkout, "archive", "--format=tar", commit, "--", "pyproject.toml", *_PACKAGES)
    source = folder / "source"
    source.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(source, filter="data")
    venv.create(folder / "venv", symlinks=True, with_pip=False)
    major, minor = sys.version_info[:2]
    packages = folder / "venv" / "lib" / f"python{major}.{minor}" / "site-packages"
    _record(packages, tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8")))
    shared = [entry for entry in sys.path if Path(entry).name in {"site-packages", "dist-packages"}]
    # The source comes first: an installed Towpath of today isn't seen. Files named *.pth in the
    # shared folders are not read, so an editable install isn't either.
    lines = [*(str(source / name) for name in _PACKAGES), *shared]
    (packages / "earlier.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return built(folder)


def built(folder: Path) -> Environment:
    """The environment that `earlier` built in a folder."""
    return Environment("earlier", folder / "venv" / "bin" / "python")


def _record(packages: Path, pyproject: dict[str, Any]) -> None:
    """Records Towpath as installed, with its version and entry points."""
    project = pyproject["project"]
    folder = packages / f"towpath-{project['version']}.dist-info"
    folder.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: towpath\nVersion: {project['version']}\n"
    (folder / "METADATA").write_text(metadata, encoding="utf-8")
    groups: dict[str, dict[str, str]] = project["entry-points"]
    lines: list[str] = []
    for group, entries in groups.items():
        lines += [f"[{group}]", *(f"{name} = {target}" for name, target in entries.items()), ""]
    (folder / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")


def _obtain(checkout: Path, commit: str) -> None:
    """Fetches a commit that a shallow clone lacks, or fails with what to do."""
    wanted = ("cat-file", "-e", f"{commit}^{{commit}}")
    if _git(checkout, *wanted).returncode == 0:
        return
    fetched = _git(checkout, "fetch", "--quiet", "--depth=1", "origin", commit)
    if _git(checkout, *wanted).returncode != 0:
        why = fetched.stderr.decode(errors="replace").strip() or "no reason given"
        pytest.fail(
            f"The tests of version skew need commit {commit[:12]}, which {checkout} doesn't have,"
            f" and fetching it failed: {why}\n"
            "Run `git fetch --unshallow`, or clone with the history.",
            pytrace=False,
        )


def _git(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    # A hook that runs the tests names its own repository by variables.
    clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    return subprocess.run(
        ["git", *arguments],
        cwd=checkout,
        env=clean | {"GIT_TERMINAL_PROMPT": "0"},
        capture_output=True,
        timeout=_FETCH_SECONDS,
        check=False,
    )
