"""Processes of the fork servers of this run of tests."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from tests.forkserver import client
from tests.forkserver.server import CODE, TAKEN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.forkserver.client import Forked

SCRIPTS: Final = Path(__file__).parent
FORKS: Final = hasattr(os, "pidfd_open")
"""Elsewhere than on Linux each process has an interpreter of its own."""
NOT_IMPORTED: Final = (
    # Migrations need an environment of their own.
    "-towpath_service.database.migrations",
    # NumPy starts threads; the others are seldom needed, and large.
    "-towpath._runners.dask",
    "-towpath.cli.migration",
    "-towpath.dask",
    "-towpath.testing",
)
TOWPATH: Final = (
    "towpath.*",
    "towpath_service.*",
    *NOT_IMPORTED,
    "alembic.command",
    "cloudpickle",
    "grpc",
    "platformdirs",
    "pydantic",
    "rich.console",
    "rich.table",
    "uvicorn.lifespan.off",
)
"""What commands, servers and workers import."""

_paths: Final[list[str]] = []


@cache
def fork_server(*modules: str) -> str:
    """Path of the socket of a server that has imported these modules.

    It ends with this process.
    """
    folder = tempfile.TemporaryDirectory(prefix="forks-", ignore_cleanup_errors=True)
    path = str(Path(folder.name) / "socket")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOWPATH_")}
    process = subprocess.Popen(
        [sys.executable, str(SCRIPTS / "server.py"), path, *modules],
        env=kept | {"PYTHONUNBUFFERED": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == b"serves\n"
    process.stdout.close()
    atexit.register(folder.cleanup)
    atexit.register(process.wait)
    atexit.register(process.stdin.close)
    _paths.append(path)
    return path


def seconds_of_forks() -> float:
    """What processors spent in the fork servers of this process and their ended processes."""
    return sum(float(Path(path + TAKEN).read_text()) for path in _paths)


def command_line(module: str) -> list[str]:
    """What a shell runs in place of `python -m MODULE`, before the arguments."""
    if not FORKS:
        return [sys.executable, "-m", module]
    script = str(SCRIPTS / "client.py")
    return [sys.executable, "-I", "-S", script, fork_server(*TOWPATH), module]


def started(
    module: str,
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: str | Path = ".",
    files: tuple[int | IO[bytes], int | IO[bytes], int | IO[bytes]],
    imports: tuple[str, ...] | None = TOWPATH,
) -> Forked | subprocess.Popen[bytes]:
    """Starts a process that runs a module, a script or code.

    Args:
        module: As after `python -m`; or the path of a script; or `-c` before code in the arguments.
        arguments: Its arguments.
        environment: All of its variables.
        folder: Where it runs.
        files: Its standard input, output and error, which may be `subprocess.DEVNULL`.
        imports: What the fork server has imported; None for an interpreter of its own.
    """
    if FORKS and imports is not None:
        with ExitStack() as stack:
            process = client.forked(
                fork_server(*imports),
                module,
                arguments,
                environment=environment,
                folder=Path(folder).resolve(),
                files=tuple(_descriptor(file, stack) for file in files),  # type: ignore[arg-type]
            )
        if process is not None:
            return process
    return subprocess.Popen(
        [sys.executable, *_what(module), *arguments],
        env=environment,
        cwd=folder,
        stdin=files[0],
        stdout=files[1],
        stderr=files[2],
    )


def ran(
    module: str,
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: str | Path,
    timeout: float,
    imports: tuple[str, ...] | None = TOWPATH,
) -> subprocess.CompletedProcess[str]:
    """Runs a module, script or code to its end, without input; returns what it has printed, too."""
    with tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as said:
        process = started(
            module,
            arguments,
            environment=environment,
            folder=folder,
            files=(subprocess.DEVNULL, printed, said),
            imports=imports,
        )
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
        return subprocess.CompletedProcess(
            [sys.executable, *_what(module), *arguments], code, _read(printed), _read(said)
        )


def _what(module: str) -> list[str]:
    """How an interpreter is asked for a module, a script or code."""
    return [module] if module == CODE or module.endswith(".py") else ["-m", module]


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


def _descriptor(file: int | IO[bytes], stack: ExitStack) -> int:
    if file == subprocess.DEVNULL:
        return stack.enter_context(Path(os.devnull).open("r+b", buffering=0)).fileno()
    return file if isinstance(file, int) else file.fileno()
