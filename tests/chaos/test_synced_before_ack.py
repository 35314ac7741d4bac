"""What is acknowledged is on the disk: the system calls of the real processes tell."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.chaos.acks import acks_before_their_sync, acks_sent
from tests.chaos.lockstep import BATCH, Lockstep
from tests.chaos.tracing import is_traced, read_trace, traced
from tests.postgres.fixtures import upgrade
from tests.postgres.server import postgres_for_tests
from tests.scenarios.servers import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

pytestmark = pytest.mark.subject("database", "delivery")


@pytest.fixture
def batches(request: pytest.FixtureRequest) -> int:
    return 1000 if request.config.getoption("--soak") else 20


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(home=tmp_path / "home")
    made.start()
    yield made
    made.stop()


def late_acks(
    server: Server, processes: Callable[[], Sequence[int]], log: str, into: Path, batches: int
) -> list[int]:
    """Sequence numbers of the acks that left before what they tell of was on the disk."""
    all_followed = False
    while not all_followed:
        with traced(processes(), into), Lockstep(server.address) as producer:
            # One that began as the others were counted may have escaped.
            all_followed = all(map(is_traced, processes()))
            # One more: the trace may end before the call that sent the last ack does.
            for _ in range(batches + 1 if all_followed else 0):
                assert producer.send()
    calls = read_trace(into)
    acks = acks_sent(calls)[:batches]
    assert [ack.sequence for ack in acks] == [BATCH * (n + 1) for n in range(batches)]
    return acks_before_their_sync(calls, acks, log)


def late_acks_on_postgres(settings: Mapping[str, str], folder: Path, batches: int) -> list[int]:
    """As `late_acks`, of a server on a PostgreSQL with these settings and all its processes."""
    with postgres_for_tests(settings) as postgres:
        asyncio.run(upgrade(postgres.dsn()))
        server = Server(home=folder / "home", options=("--database", postgres.dsn()))
        server.start()
        try:

            def processes() -> list[int]:
                children = psutil.Process(postgres.pid).children(recursive=True)
                return [server.pid, postgres.pid, *(child.pid for child in children)]

            return late_acks(server, processes, "/pg_wal/", folder / "trace", batches)
        finally:
            server.stop()


@pytest.mark.timeout(600)
def test_sqlite_has_each_batch_on_the_disk_before_its_ack_leaves(
    server: Server, tmp_path: Path, batches: int
) -> None:
    assert (
        late_acks(server, lambda: [server.pid], "towpath.db-wal", tmp_path / "trace", batches) == []
    )


@pytest.mark.timeout(600)
@pytest.mark.parametrize("default", ["on", "off", "local"])
def test_postgresql_has_each_batch_on_the_disk_before_its_ack_leaves(
    default: str, tmp_path: Path, batches: int
) -> None:
    assert late_acks_on_postgres({"synchronous_commit": default}, tmp_path, batches) == []


def test_a_postgresql_that_forces_nothing_to_the_disk_is_seen_in_the_trace(tmp_path: Path) -> None:
    assert late_acks_on_postgres({"fsync": "off"}, tmp_path, 3) == [BATCH, 2 * BATCH, 3 * BATCH]
