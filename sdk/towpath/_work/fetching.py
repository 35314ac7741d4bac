"""What all sources of code need: their error, turns between processes, and programs to run."""

from __future__ import annotations

import fcntl
import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from pathlib import Path

_SHOWN_CHARACTERS: Final = 2000


class CodeError(Exception):
    """The code of a run can't be had; the message says why, and what to do."""


@contextmanager
def turn(path: Path) -> Generator[None]:
    """Lets one process of this machine at a time work on what is at a path.

    Args:
        path: What is worked on; the lock is a file beside it.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    descriptor = os.open(path.with_name(f"{path.name}.lock"), flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def run_program(
    command: Sequence[str],
    *,
    doing: str,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
) -> str:
    """Runs a program to its end, and returns what it wrote to stdout.

    Args:
        command: Program and arguments.
        doing: What it does, for the message of an error.
        cwd: Folder to run it in.
        environment: Variables besides those of this process.
        pass_fds: Descriptors that it gets.

    Raises:
        CodeError: It isn't there, or failed.
    """
    try:
        done = subprocess.run(  # noqa: S603 - no shell; arguments of others stand behind options
            command,
            cwd=cwd,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            pass_fds=pass_fds,
            check=False,
        )
    except FileNotFoundError as error:
        raise CodeError(f"{doing} needs {command[0]}, which is not installed") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip() or done.stdout.decode(errors="replace")
        raise CodeError(f"{doing} failed: {said[-_SHOWN_CHARACTERS:]}")
    return done.stdout.decode(errors="replace")
