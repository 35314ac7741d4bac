"""PostgreSQL ends under load and comes back: nothing acknowledged is lost, nothing is doubled.

A short form runs always, a hundred rounds with --soak.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.chaos.processes import Site
from tests.chaos.rounds import Load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.postgres import PostgresServer
    from tests.scenarios.servers import Server

pytestmark = pytest.mark.subject("database", "runs")


def _cut_off(postgres: PostgresServer) -> None:
    postgres.stop(signal.SIGINT)


def _end_without_a_checkpoint(postgres: PostgresServer) -> None:
    postgres.stop(signal.SIGQUIT)


def _kill(postgres: PostgresServer) -> None:
    postgres.crash()


ENDS = (_cut_off, _end_without_a_checkpoint, _kill)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("rounds", [3], indirect=True)
def test_a_database_that_ends_in_any_way_has_what_was_acknowledged(
    own_postgres: PostgresServer, replica: Callable[[str], Server], tmp_path: Path, rounds: int
) -> None:
    dsn = own_postgres.dsn()
    server = replica(dsn)
    site = Site(home=tmp_path / "home", port=server.port, web_port=server.web_port)
    load = Load(database=dsn, addresses=[server.address], site=site)
    for number in range(rounds):
        with load.round(number, seed=3000 + number) as now:
            now.sleep(0.0, 0.3)
            ENDS[number % len(ENDS)](own_postgres)
            now.sleep(0.0, 0.5)
            own_postgres.start()
            now.assert_nothing_is_lost()
            now.producers.wait_progress()
