"""Imports modules, then forks a process for each request that comes by a socket.

Run as a script with the path of the socket and the modules; it ends with its standard input.
A request is a connection with a line of JSON and three open files. The answer is the pid, then,
at the end of the process, its exit code: a line each. What needs another interpreter gets a 0.
"""

from __future__ import annotations

import gc
import importlib
import io
import json
import os
import pkgutil
import runpy
import selectors
import socket
import sys
from contextlib import suppress
from pathlib import Path

READ_AT_START = ("PYTHON", "OTEL_", "GRPC_", "LD_", "MALLOC_")
"""Variables with these beginnings are read by an interpreter that starts, or by imports."""
PATHS = "PYTHONPATH"
REQUEST_BYTES = 1 << 20
TAKEN = ".taken"
"""After the path of the socket: a file that tells what was taken."""


def imported(names: list[str]) -> None:
    """Imports modules; with a final `.*`, all that is in a package."""
    for name in names:
        package = importlib.import_module(name.removesuffix(".*"))
        if name.endswith(".*"):
            for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
                if "__main__" not in found.name and ".migrations" not in found.name:
                    importlib.import_module(found.name)
    # It counts forks, and a client calls another way in a forked child. Who asks for all modules
    # resets the count.
    assert "towpath._forks" not in sys.modules or "towpath.*" in names


def read_at_start(environment: dict[str, str]) -> dict[str, str]:
    """The part of an environment that can't change after the imports."""
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(READ_AT_START) and name != PATHS
    }


class Forks:
    """Forks for requests, and tells how their processes end."""

    def __init__(self, path: str) -> None:
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(path)
        self._listening.listen(64)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listening, selectors.EVENT_READ)
        self._selector.register(0, selectors.EVENT_READ)
        self._running: dict[int, tuple[int, socket.socket]] = {}
        self._taken = Path(path + TAKEN)

    def serve(self) -> dict[str, object] | None:
        """Serves until the end of standard input: None; or, in a fork, returns its request."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj == 0:
                    return None
                if key.fileobj is not self._listening:
                    self._tell_end(key.fd)
                elif request := self._forked(self._listening.accept()[0]):
                    return request

    def _forked(self, connection: socket.socket) -> dict[str, object] | None:
        text, files, _, _ = socket.recv_fds(connection, REQUEST_BYTES, 3)
        while not text.endswith(b"\n"):
            text += connection.recv(REQUEST_BYTES)
        request: dict[str, object] = json.loads(text)
        alike = read_at_start(request["environment"]) == read_at_start(dict(os.environ))  # type: ignore[arg-type]
        pid = os.fork() if alike else -1
        if pid == 0:
            self._leave(connection, files)
            return request
        for file in files:
            os.close(file)
        connection.sendall(b"%d\n" % max(pid, 0))
        if pid > 0:
            ended = os.pidfd_open(pid)
            self._running[ended] = pid, connection
            self._selector.register(ended, selectors.EVENT_READ)
        else:
            connection.close()
        return None

    def _leave(self, connection: socket.socket, files: list[int]) -> None:
        """In a fork: closes all that is the parent's, and takes up its own three files."""
        self._selector.close()
        self._listening.close()
        connection.close()
        for ended, (_, other) in self._running.items():
            os.close(ended)
            other.close()
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)

    def write_taken(self) -> None:
        """Keeps how many seconds of processors it and its processes have taken."""
        times = os.times()
        with suppress(OSError):  # The folder goes at the end.
            self._taken.write_text(f"{sum(times[:4]):012.2f}")

    def _tell_end(self, ended: int) -> None:
        pid, connection = self._running.pop(ended)
        self._selector.unregister(ended)
        os.close(ended)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        self.write_taken()
        with suppress(OSError):
            connection.sendall(b"%d\n" % code)
        connection.close()


def become(request: dict[str, object]) -> None:
    """Runs the module of a request as `python -m` does."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        # The one of before knows whether its file could be sought in.
        before = getattr(sys, name)
        raw = io.FileIO(number, "w" if number else "r", closefd=False)
        buffer = raw if number else io.BufferedReader(raw)
        new = io.TextIOWrapper(buffer, before.encoding, before.errors, write_through=number > 0)
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)
    environment, arguments = request["environment"], request["arguments"]
    assert isinstance(environment, dict)
    assert isinstance(arguments, list)
    paths = environment.get(PATHS, "")
    if paths != os.environ.get(PATHS, ""):
        sys.path[:0] = paths.split(os.pathsep)
    os.environ.clear()
    os.environ.update(environment)
    folder = str(request["folder"])
    os.chdir(folder)
    sys.path.insert(0, folder)
    sys.argv = ["", *arguments]
    runpy.run_module(str(request["module"]), run_name="__main__", alter_sys=True)


def main() -> None:
    """Imports, tells that it is there, serves."""
    path, *names = sys.argv[1:]
    del sys.path[0]  # The folder of this script.
    imported(names)
    gc.collect()
    gc.freeze()
    forks = Forks(path)
    forks.write_taken()
    os.write(1, b"serves\n")
    if request := forks.serve():
        become(request)


if __name__ == "__main__":
    main()
