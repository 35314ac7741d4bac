"""PgBouncer before a PostgreSQL: each transaction gets any of a few connections."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit

from tests.postgres.debian import program
from tests.postgres.server import UNPRIVILEGED, free_port, unprivileged

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

START_SECONDS: Final = 180.0
CONNECTIONS: Final = 3


class Bouncer:
    """PgBouncer in transaction mode."""

    def __init__(self, folder: Path, dsn: str) -> None:
        """Starts nothing yet.

        Args:
            folder: A new folder for its configuration and log.
            dsn: A server behind it.
        """
        self.port = free_port()
        self._folder = folder
        self._server = urlsplit(dsn)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def direct(self) -> str:
        """host:port of the server behind it."""
        return f"{self._server.hostname}:{self._server.port}"

    @property
    def log(self) -> str:
        """What it printed."""
        return (self._folder / "log").read_text()

    def url(self, dsn: str, options: str = "pgbouncer=true") -> str:
        """How a database of the server is reached through it."""
        parts = urlsplit(dsn)
        user = parts.username or ""
        password = f":{parts.password}" if parts.password else ""
        place = f"{user}{password}@127.0.0.1:{self.port}"
        return urlunsplit(("postgresql", place, parts.path, options, ""))

    def start(self) -> None:
        """Starts it and returns once it answers."""
        server = self._server
        password = f" password={server.password}" if server.password else ""
        lines = [
            "[databases]",
            f"* = host={server.hostname} port={server.port} user={server.username}{password}",
            "[pgbouncer]",
            "listen_addr = 127.0.0.1",
            f"listen_port = {self.port}",
            "unix_socket_dir =",
            "auth_type = any",
            "pool_mode = transaction",
            f"default_pool_size = {CONNECTIONS}",
            "max_client_conn = 200",
            "server_login_retry = 1",
        ]
        file = self._folder / "pgbouncer.ini"
        file.write_text("\n".join(lines) + "\n")
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                unprivileged(program("pgbouncer", "pgbouncer"), file), stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PgBouncer did not start:\n{self.log}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Ends it at once: its clients' connections break."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()

    def _listens(self) -> bool:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.port), timeout=1),
        ):
            return True
        return False


@contextlib.contextmanager
def bouncer_for_tests(dsn: str) -> Iterator[Bouncer]:
    """PgBouncer before a server, stopped and removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="towpath-bouncer-"))
    folder.chmod(0o755)
    if os.geteuid() == 0:
        shutil.chown(folder, UNPRIVILEGED)
    bouncer = Bouncer(folder, dsn)
    try:
        bouncer.start()
        yield bouncer
    finally:
        bouncer.stop()
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Through:
    """A way through PgBouncer to one database, as one role."""

    bouncer: Bouncer
    dsn: str

    @property
    def direct(self) -> str:
        """host:port of the server behind it."""
        return self.bouncer.direct

    def url(self, options: str = "pgbouncer=true") -> str:
        """How the database is reached through it."""
        return self.bouncer.url(self.dsn, options)


@contextlib.contextmanager
def through(dsn: str) -> Generator[Through]:
    """A PgBouncer whose connections to the server are of the role that a DSN names."""
    with bouncer_for_tests(dsn) as bouncer:
        yield Through(bouncer, dsn)
