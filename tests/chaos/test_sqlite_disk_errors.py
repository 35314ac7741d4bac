"""The disk under SQLite is full, or fails to sync: nothing is acknowledged that is not stored.

Each point is a number of calls after which the fault comes: eight always, a hundred with --soak.
"""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING

import pytest

from tests.chaos.altered import AlteredServer
from tests.chaos.doubts import LOG, believed
from tests.chaos.history import committed_sequences
from tests.chaos.ledger import wrongs
from tests.chaos.lockstep import Lockstep
from tests.chaos.processes import wait_until
from tests.chaos.tracing import SYNCS, is_sync, is_write, launch_traced, read_trace, traced

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.subject("database")

BATCHES = 12
POINTS = 8
SOAK_POINTS = 100
# So that syncs and writes of a checkpoint are among those that fail.
CHECKPOINT_PAGES = 40


@pytest.fixture
def points(request: pytest.FixtureRequest) -> int:
    return SOAK_POINTS if request.config.getoption("--soak") else POINTS


@pytest.fixture
def server(tmp_path: Path) -> Iterator[AlteredServer]:
    made = AlteredServer(home=tmp_path / "home", checkpoint_pages=CHECKPOINT_PAGES)
    made.start()
    yield made
    made.stop()


def files(server: AlteredServer) -> list[Path]:
    return [server.database.with_name(f"towpath.db{end}") for end in ("", "-wal", "-shm")]


def send(server: AlteredServer, producer: Lockstep, batches: int) -> None:
    """Sends batches, each until it is acknowledged; what is acknowledged is stored."""
    for _ in range(batches):
        wait_until(producer.send, f"the batch is acknowledged; the log:\n{server.log[-2000:]}")
        ledger = producer.ledger
        assert committed_sequences(server.database)[ledger.producer_id] >= ledger.acked


def assert_whole(server: AlteredServer, producer: Lockstep) -> None:
    assert wrongs(server.database, [producer.ledger]) == []
    connection = sqlite3.connect(f"file:{server.database}?mode=ro", uri=True)
    assert connection.execute("PRAGMA quick_check").fetchall() == [("ok",)]
    connection.close()


@pytest.mark.timeout(1800)
def test_a_sync_that_fails_is_not_believed_and_its_batch_is_written_again(
    server: AlteredServer, tmp_path: Path, points: int
) -> None:
    failed = 0
    for point in range(1, points + 1):
        trace = tmp_path / f"trace-{point}"
        fault = f"fdatasync,fsync:error=EIO:when={1 + point % (2 * BATCHES)}"
        with Lockstep(server.address) as producer:
            with traced(
                [server.pid], trace, calls=(*SYNCS, "pwrite64"), inject=fault, files=files(server)
            ):
                send(server, producer, BATCHES)
            calls = read_trace(trace)
            failed += any(call.name in SYNCS and call.result == -1 for call in calls)
            assert believed(calls) == [], f"point {point}"
            send(server, producer, 1)
            assert_whole(server, producer)
    assert failed >= points / 2


@pytest.mark.timeout(1800)
def test_a_server_killed_after_a_failed_sync_loses_and_doubles_nothing(
    server: AlteredServer, tmp_path: Path, points: int
) -> None:
    for point in range(1, points // 2 + 1):
        fault = f"fdatasync,fsync:error=EIO:when={1 + point % BATCHES}"
        with Lockstep(server.address) as producer:
            with traced([server.pid], tmp_path / "t", calls=SYNCS, inject=fault):
                sent = 0
                while not producer.errors and sent < BATCHES:
                    producer.send()
                    sent += 1
                server.kill()
            server.start()
            send(server, producer, 2)
            assert_whole(server, producer)


def test_what_a_killed_server_left_in_its_log_is_written_again_before_it_counts(
    server: AlteredServer, tmp_path: Path
) -> None:
    with Lockstep(server.address) as producer:
        send(server, producer, 3)
        server.kill()
        left = server.database.with_name(LOG).stat().st_size
        trace = tmp_path / "trace"
        server.wrapper = launch_traced(trace, calls=(*SYNCS, "pwrite64"), detached=True)
        server.start()
        send(server, producer, 1)
        assert_whole(server, producer)
    server.stop()
    wait_until(lambda: "exited with 0 +++" in trace.read_text(), "the trace is whole")
    again = 0
    for call in read_trace(trace):
        if is_sync(call, LOG) and again >= left:
            break
        if is_write(call, LOG):
            assert call.offset == again, "something was appended to what is in doubt"
            again += call.result
    assert again == left > 0


@pytest.mark.timeout(1800)
def test_a_full_disk_stops_acks_and_room_on_it_lets_them_go_on(
    server: AlteredServer, tmp_path: Path, points: int
) -> None:
    process = server.pid
    for point in range(1, points + 1):
        trace = tmp_path / f"trace-{point}"
        fault = f"pwrite64:error=ENOSPC:when={1 + 7 * point}+"
        with Lockstep(server.address) as producer:
            with traced(
                [server.pid], trace, calls=("pwrite64",), inject=fault, files=files(server)
            ):
                wait_until(lambda producer=producer: not producer.send(), "the disk is full")
                for _ in range(3):
                    time.sleep(0.02)
                    assert not producer.send(), f"point {point}: an ack while nothing was written"
            send(server, producer, 3)
            assert_whole(server, producer)
    assert server.pid == process
    assert server.stop() == 0
