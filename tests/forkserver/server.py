"""Imports modules, then forks a process for each request that comes by a socket.

Run as a script with the path of the socket and the modules; it ends with its standard input.
A request is a connection with a line of JSON and three open files. The answer is the pid, then,
at the end of the process, its exit code: a line each. What needs another interpreter gets a 0.
"""

from __future__ import annotations

import atexit
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
import types
from contextlib import suppress
from pathlib import Path

READ_AT_START = ("PYTHON", "OTEL_PROPAGATORS", "OTEL_PYTHON_", "GRPC_", "LD_", "MALLOC_")
"""Variables with these beginnings are read by an interpreter that starts, or by imports."""
PATHS, NO_BYTECODE = "PYTHONPATH", "PYTHONDONTWRITEBYTECODE"
CODE = "-c"
"""In place of a module: the first argument is code."""
REQUEST_BYTES = 1 << 20
TAKEN = ".taken"
"""After the path of the socket: a file that tells what was taken."""

_exit_codes: list[int] = []
"""Of a fork whose module has ended, but not by `KeyboardInterrupt`."""


@atexit.register
def _leave_memory() -> None:
    """Ends a fork before the interpreter takes its memory to pieces.

    That takes longer than most commands do: each object that is touched is copied. What is
    registered first runs last, so all else that an exit does is done by then: threads are waited
    for, and callbacks have run.
    """
    if _exit_codes:
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
        os._exit(_exit_codes[0])


def imported(names: list[str]) -> None:
    """Imports modules.

    Args:
        names: Of modules; with a final `.*`, of packages with all that is in them; with a `-`
            before, of what is left out of those.
    """
    left_out = tuple(name[1:] for name in names if name.startswith("-"))
    for name in names:
        if name.startswith("-"):
            continue
        package = importlib.import_module(name.removesuffix(".*"))
        if name.endswith(".*"):
            for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
                if "__main__" not in found.name and not found.name.startswith(left_out):
                    importlib.import_module(found.name)
    # A fork has no other thread than the one that forked, and would wait for what those held.
    threads = Path("/proc/self/task")
    assert not threads.exists() or len(list(threads.iterdir())) == 1


def read_at_start(environment: dict[str, str]) -> dict[str, str]:
    """The part of an environment that can't change after the imports."""
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(READ_AT_START) and name not in {PATHS, NO_BYTECODE}
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
    """Runs the module, script or code of a request as `python` does."""
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
    sys.dont_write_bytecode = bool(environment.get(NO_BYTECODE))
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(str(request["folder"]))
    if forks := sys.modules.get("towpath._forks"):
        # In a forked child a client calls and delivers by other means than in a process that was
        # started, which this one stands for.
        forks._generation = 0  # type: ignore[attr-defined]
    try:
        run(str(request["module"]), arguments)
    except SystemExit as ending:
        # As an interpreter has it: a text is shown, and stands for a 1.
        code = ending.code
        _exit_codes.append(0 if code is None else code & 0xFF if isinstance(code, int) else 1)
        raise
    except Exception:
        _exit_codes.append(1)
        raise
    _exit_codes.append(0)


def run(what: str, arguments: list[str]) -> None:
    """Runs a module, the script of a path, or code as `__main__`."""
    if what != CODE and not what.endswith(".py"):
        sys.path.insert(0, os.getcwd())  # noqa: PTH109 - as an interpreter writes it
        sys.argv = ["", *arguments]
        runpy.run_module(what, run_name="__main__", alter_sys=True)
        return
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    if what == CODE:
        text, name = arguments[0], "<string>"
        sys.path.insert(0, "")
        sys.argv = [CODE, *arguments[1:]]
    else:
        text = Path(what).read_text(encoding="utf-8")
        main.__file__ = name = os.path.abspath(what)  # noqa: PTH100 - links stay as they are
        sys.path.insert(0, os.path.realpath(os.path.dirname(what)))  # noqa: PTH120
        sys.argv = [what, *arguments]
    exec(compile(text, name, "exec"), main.__dict__)


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
