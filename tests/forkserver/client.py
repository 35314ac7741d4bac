"""Asks a fork server for processes; as a script, is one of them.

The script has the socket, the module and its arguments as arguments. It imports little.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class Forked:
    """A forked process, with what tests use of `subprocess.Popen`."""

    def __init__(self, pid: int, connection: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._connection = connection

    def poll(self) -> int | None:
        """The exit code, once the process has ended."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Waits for the end; returns the exit code, negative for a signal."""
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """Sends a signal, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Asks it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it."""
        self.send_signal(signal.SIGKILL)

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._connection], [], [], timeout)[0]:
            self.returncode = int(self._connection.recv(16) or -signal.SIGKILL)
            self._connection.close()
        return self.returncode


def forked(
    server: str,
    module: str,
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: str | Path,
    files: tuple[int, int, int],
) -> Forked | None:
    """A process that runs a module; None when it needs an interpreter of its own.

    Args:
        server: Path of the fork server's socket.
        module: As after `python -m`.
        arguments: Its arguments.
        environment: All of its variables.
        folder: Where it runs.
        files: Descriptors of its standard input, output and error.
    """
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(server)
    request = {
        "module": module,
        "arguments": [*arguments],
        "environment": {**environment},
        "folder": str(folder),
    }
    line = json.dumps(request).encode() + b"\n"
    sent = socket.send_fds(connection, [line], files)
    if rest := line[sent:]:
        connection.sendall(rest)
    pid = b""
    while not pid.endswith(b"\n"):
        pid += connection.recv(1)
    if int(pid):
        return Forked(int(pid), connection)
    connection.close()
    return None


def main(server: str, module: str, *arguments: str) -> None:
    """Is a process of the fork server, or an interpreter that runs the module."""
    serves = arguments[:2] == ("server", "start")  # It names its pid, which must be this one.
    process = None
    if not serves and not os.isatty(0):
        process = forked(
            server,
            module,
            arguments,
            environment=os.environ,
            folder=os.getcwd(),  # noqa: PTH109 - pathlib takes longer to import than the rest
            files=(0, 1, 2),
        )
    if process is None:
        os.execv(sys.executable, [sys.executable, "-m", module, *arguments])
    code = process.wait()
    if code < 0:
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    main(*sys.argv[1:])
