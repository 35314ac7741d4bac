"""The database's disk is full, and has room again: no acknowledgement was untrue meanwhile.

A short form runs always, a hundred rounds with --soak.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.chaos.processes import Site, wait_until
from tests.chaos.rounds import Load
from tests.chaos.shortage import ways
from tests.postgres.fixtures import upgrade

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.chaos.shortage import Way
    from tests.scenarios.servers import Server

pytestmark = pytest.mark.subject("database", "runs")


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("way", ways(), ids=lambda way: way.__name__)
@pytest.mark.parametrize("rounds", [1], indirect=True)
def test_a_full_disk_holds_producers_up_and_loses_nothing(
    way: Way, replica: Callable[[str], Server], tmp_path: Path, rounds: int
) -> None:
    for number in range(rounds):
        with way() as (postgres, shortage):
            dsn = postgres.dsn()
            asyncio.run(upgrade(dsn))
            server = replica(dsn)
            home = tmp_path / f"home-{number}"
            site = Site(home=home, port=server.port, web_port=server.web_port)
            load = Load(database=dsn, addresses=[server.address], site=site)
            with load.round(number, seed=8000 + number) as now:
                shortage.begin()
                wait_until(lambda: shortage.sign in postgres.log, "the disk is full")
                now.sleep(0.0, 1.0)
                shortage.end()
                if postgres.has_ended:
                    # A server that found no room for its log while it recovered stays down until
                    # whoever looks after it, as systemd does, starts it.
                    postgres.start()
                now.producers.wait_progress()
                now.assert_nothing_is_lost()
            server.stop()
