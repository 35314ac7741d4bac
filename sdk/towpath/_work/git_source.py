"""Code from a git repository: a mirror for each address, and a worktree for each commit."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from towpath._work.fetching import CodeError, run_program, turn

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from towpath._work.code_sources import CodeSource

_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_HEADS: Final = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
_TOKEN_USER: Final = "x-access-token"  # noqa: S105 - what services take before a token
_ASKPASS: Final = """#!/bin/sh
case "$1" in
Username*) printf '%s\\n' "$TOWPATH_GIT_USER" ;;
*) cat "/dev/fd/$TOWPATH_GIT_FD" ;;
esac
"""


def checked_out(source: CodeSource, folder: Path, secret: Callable[[str], str]) -> tuple[Path, str]:
    """Checks a commit out, or finds it checked out.

    Args:
        source: Repository and ref.
        folder: Where mirrors and worktrees are kept.
        secret: Returns the value of a secret by its id.

    Returns:
        The worktree, and the commit.

    Raises:
        CodeError: The repository can't be read, or has no such ref.
    """
    address, ref = source.location, source.ref
    if address.startswith("-") or ref.startswith("-"):
        raise CodeError(f"{address if address.startswith('-') else ref!r} can't begin with a dash")
    if urlsplit(address).password is not None:
        raise CodeError("the address of a repository holds no password: keep it in a secret")
    # The name of a mirror tells nothing of its address.
    mirror = folder / f"{hashlib.sha256(address.encode()).hexdigest()[:32]}.git"
    credential = secret(source.credential) if source.credential else ""
    with turn(mirror), _asking(credential) as asking:
        repository = _Repository(address, mirror, asking)
        commit = repository.commit_of(ref)
        return repository.worktree(commit, submodules=source.submodules), commit


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asking:
    """How git gets the credential: by a program that reads a descriptor."""

    environment: dict[str, str]
    descriptors: tuple[int, ...] = ()


@contextmanager
def _asking(credential: str) -> Generator[_Asking]:
    environment = {"GIT_TERMINAL_PROMPT": "0"}
    if not credential:
        yield _Asking(environment=environment)
        return
    user, colon, password = credential.partition(":")
    with tempfile.TemporaryDirectory() as place, tempfile.TemporaryFile() as file:
        # The file has no name any more, and the password is in no variable and no argument.
        file.write((password if colon else credential).encode() + b"\n")
        file.seek(0)
        program = Path(place) / "askpass"
        program.write_text(_ASKPASS, encoding="ascii")
        program.chmod(0o700)
        environment |= {
            "GIT_ASKPASS": str(program),
            "TOWPATH_GIT_USER": user if colon else _TOKEN_USER,
            "TOWPATH_GIT_FD": str(file.fileno()),
        }
        yield _Asking(environment=environment, descriptors=(file.fileno(),))


class _Repository:
    """A mirror; its caller has the turn."""

    def __init__(self, address: str, mirror: Path, asking: _Asking) -> None:
        self._address = address
        self._mirror = mirror
        self._asking = asking
        if not (mirror / "HEAD").exists():
            shutil.rmtree(mirror, ignore_errors=True)
            run_program(["git", "init", "--quiet", "--bare", str(mirror)], doing="git init")

    def commit_of(self, ref: str) -> str:
        """The commit that a ref names now; the repository is asked, unless a commit is here."""
        if _COMMIT.fullmatch(ref):
            if self._known(ref) is None:
                self._fetch(*_HEADS)
            if self._known(ref) is None:
                self._fetch(ref)  # On no branch; some servers give it all the same.
            return ref
        if not ref:
            self._fetch("HEAD")
            return self._git("rev-parse", "FETCH_HEAD^{commit}").strip()
        self._fetch(*_HEADS)
        for name in (f"refs/heads/{ref}", f"refs/tags/{ref}", ref):
            commit = self._known(name)
            if commit is not None:
                return commit
        raise CodeError(f"{self._address} has no branch, tag or commit {ref!r}")

    def worktree(self, commit: str, *, submodules: bool) -> Path:
        """A worktree of a commit, made if it isn't there."""
        name = f"{commit}-submodules" if submodules else commit
        path = self._mirror.with_suffix(".trees") / name
        ready = path.with_name(f"{name}.ready")
        if not ready.exists():
            shutil.rmtree(path, ignore_errors=True)  # One that was broken off.
            self._git("worktree", "prune")
            self._git("worktree", "add", "--quiet", "--detach", "--force", str(path), commit)
            if submodules:
                command = ["git", "submodule", "update", "--quiet", "--init", "--recursive"]
                self._run(command, f"git submodule update of {self._address}", cwd=path)
        ready.touch()
        return path

    def _known(self, name: str) -> str | None:
        try:
            return self._git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").strip()
        except CodeError:
            return None

    def _fetch(self, *refs: str) -> None:
        self._git("fetch", "--quiet", "--force", self._address, *refs)

    def _git(self, *arguments: str) -> str:
        command = ["git", "--git-dir", str(self._mirror), *arguments]
        return self._run(command, f"git {arguments[0]} of {self._address}")

    def _run(self, command: list[str], doing: str, cwd: Path | None = None) -> str:
        return run_program(
            command,
            doing=doing,
            cwd=cwd,
            environment=self._asking.environment,
            pass_fds=self._asking.descriptors,
        )
