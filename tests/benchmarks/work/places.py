"""A database that is filled before a server starts on it, and the processor time of both."""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import tempfile
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import psutil
from towpath_service.database.postgres_url import PostgresUrl, parse_postgres_url

from tests.benchmarks.ingest import POSTGRES_SETTINGS
from tests.postgres import postgres_for_tests
from tests.postgres.fixtures import upgrade
from tests.scenarios.servers import Server

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An empty database, and a home for a server on it."""

    home: Path
    location: Path | PostgresUrl
    dsn: str = ""
    """Empty for SQLite."""
    postmaster: int | None = None
    """Process id of PostgreSQL."""

    @contextmanager
    def serving(self) -> Iterator[Server]:
        """A server on it, stopped in the end."""
        server = Server(home=self.home, dsn=self.dsn)
        server.start()
        try:
            yield server
        finally:
            server.stop()

    def rows(self, query: str) -> list[Any]:
        """The rows of a query, read beside the server."""
        if self.dsn:
            return asyncio.run(_fetch(self.dsn, query))
        with closing(sqlite3.connect(self.home / "towpath.db", timeout=60)) as connection:
            found = connection.execute(query).fetchall()
            connection.commit()
            return found

    def processor(self, server: Server) -> Processor:
        """Processor seconds that were used so far."""
        database = 0.0
        if self.postmaster is not None:
            postmaster = psutil.Process(self.postmaster)
            database = sum(map(used, [postmaster, *postmaster.children(recursive=True)]))
        return Processor(server=used(psutil.Process(server.pid)), database=database)


@dataclass(frozen=True, slots=True, kw_only=True)
class Processor:
    """Processor seconds of a server and of its PostgreSQL."""

    server: float
    database: float

    def since(self, before: Processor) -> Processor:
        """What was used in between."""
        return Processor(
            server=self.server - before.server, database=self.database - before.database
        )


@contextmanager
def prepared(database: str) -> Iterator[Place]:
    """An empty database of a kind: sqlite or postgres."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        if database == "sqlite":
            yield Place(home=home, location=home / "towpath.db")
            return
        with postgres_for_tests(POSTGRES_SETTINGS) as postgres:
            dsn = postgres.dsn()
            asyncio.run(upgrade(dsn))
            yield Place(
                home=home, location=parse_postgres_url(dsn), dsn=dsn, postmaster=postgres.pid
            )


async def _fetch(dsn: str, query: str) -> list[Any]:
    connection = await asyncpg.connect(dsn)
    try:
        return list(await connection.fetch(query))
    finally:
        await connection.close()


def used(process: psutil.Process) -> float:
    """Processor seconds of a process; 0 for one that has ended."""
    try:
        return sum(process.cpu_times()[:2])
    except psutil.NoSuchProcess:
        return 0.0


def percentiles(took: Sequence[float]) -> str:
    """The median, the 95th percentile and the largest of milliseconds, as text."""
    cuts = statistics.quantiles(took, n=20, method="inclusive")
    return f"p50 {statistics.median(took):.0f} ms, p95 {cuts[-1]:.0f}, largest {max(took):.0f}"
