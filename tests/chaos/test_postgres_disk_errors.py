"""A disk under PostgreSQL fails to sync: it ends itself and recovers, and no producer minds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
import pytest

from tests.chaos.ledger import wrongs
from tests.chaos.lockstep import Lockstep
from tests.chaos.processes import wait_until
from tests.chaos.tracing import SYNCS, traced

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.postgres import PostgresServer
    from tests.scenarios.servers import Server

pytestmark = pytest.mark.subject("database")

BATCHES = 5


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("rounds", [2], indirect=True)
def test_a_sync_that_fails_restarts_postgresql_and_loses_and_doubles_nothing(
    own_postgres: PostgresServer, replica: Callable[[str], Server], tmp_path: Path, rounds: int
) -> None:
    dsn = own_postgres.dsn()
    server = replica(dsn)
    for number in range(rounds):
        panics = own_postgres.log.count("PANIC")
        postmaster = psutil.Process(own_postgres.pid)
        processes = [postmaster.pid, *(child.pid for child in postmaster.children())]
        fault = f"fdatasync:error=EIO:when={1 + number % BATCHES}"
        with Lockstep(server.address) as producer:
            with traced(processes, tmp_path / "trace", calls=SYNCS, inject=fault):
                while own_postgres.log.count("PANIC") == panics:
                    # The service may wait for the database to be back, or the producer has to.
                    producer.send()
            for _ in range(BATCHES):
                wait_until(producer.send, "the producer goes on")
            assert wrongs(dsn, [producer.ledger]) == [], f"round {number}"
