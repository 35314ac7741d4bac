"""A server process that tells of itself."""

from __future__ import annotations

import socket
import subprocess
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.forkserver.processes import TOWPATH, started
from tests.forkserver.server import CODE
from tests.scenarios.servers import free_port, wait_until
from tests.telemetry.running import environment_of

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path


class Serving:
    """Where a server answers."""

    def __init__(self, port: int, web_port: int) -> None:
        self.address = f"127.0.0.1:{port}"
        self._web_port = web_port

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of a page of the web port."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._web_port}{path}") as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


@contextmanager
def serving(
    home: Path, more: Mapping[str, str], *options: str, log: Path | None = None, code: str = ""
) -> Generator[Serving]:
    """Serves a home for as long as the context lasts.

    Args:
        home: Towpath's home.
        more: What is added to the environment.
        options: Of `towpath server start`.
        log: Where its output goes.
        code: Python to run instead of the command, with the same arguments, in an interpreter of
            its own.
    """
    port, web_port = free_port(), free_port()
    what, words = (CODE, [code]) if code else ("towpath", [])
    output = (log or home / "server.log").open("wb")
    ports = ("--port", str(port), "--web-port", str(web_port))
    server = started(
        what,
        [*words, "server", "start", *ports, *options],
        environment=environment_of(home, more),
        files=(subprocess.DEVNULL, output, output),
        imports=None if code else TOWPATH,
    )
    try:
        wait_until(lambda: _listens(web_port) and _listens(port), "server answers")
        yield Serving(port, web_port)
    finally:
        server.terminate()
        server.wait(30)
        output.close()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
    except OSError:
        return False
    return True
