"""Networks that break: on either side of the service nothing acknowledged is lost or doubled.

A short form runs always, a hundred rounds with --soak.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chaos.processes import Site, wait_until
from tests.chaos.proxy import FaultProxy
from tests.chaos.rounds import Load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.chaos.rounds import Round
    from tests.scenarios.servers import Server

pytestmark = [pytest.mark.subject("delivery", "runs"), pytest.mark.timeout(3600)]

COMMIT = b"COMMIT;\0"
"""How the driver's message that ends a transaction ends."""
CUTS_OF_A_ROUND = 3
DROPS_OF_A_ROUND = 5


@pytest.fixture
def load(
    postgres_dsn: str,
    troubled_dsn: str,
    replica: Callable[[str], Server],
    tmp_path: Path,
) -> Load:
    """A service that reaches its database through a proxy."""
    server = replica(troubled_dsn)
    site = Site(home=tmp_path / "home", port=server.port, web_port=server.web_port)
    return Load(database=postgres_dsn, addresses=[server.address], site=site)


@pytest.mark.parametrize("rounds", [2], indirect=True)
def test_a_commit_whose_answer_is_lost_is_neither_lost_nor_doubled(
    load: Load, before_database: FaultProxy, rounds: int
) -> None:
    for number in range(rounds):
        with load.round(number, seed=5000 + number) as now:
            for _ in range(CUTS_OF_A_ROUND):
                for when in ("before", "after"):
                    alone = now.chance.random() < 0.5
                    sprung = before_database.cut_at(COMMIT, when, alone=alone)
                    wait_until(sprung.is_set, f"a connection is cut {when} its commit")
                    # Unless it was cut alone, no other try has committed anything by now.
                    now.assert_nothing_is_lost()
                    now.sleep(0.0, 0.3)
                    before_database.heal()
                    now.producers.wait_progress(now.chance.randint(1, 20))
    assert before_database.counts["cut before"] == rounds * CUTS_OF_A_ROUND
    assert before_database.counts["cut after"] == rounds * CUTS_OF_A_ROUND


@pytest.mark.parametrize("rounds", [2], indirect=True)
def test_a_bad_network_before_the_database_loses_and_doubles_nothing(
    load: Load, before_database: FaultProxy, rounds: int
) -> None:
    for number in range(rounds):
        with load.round(number, seed=6000 + number) as now:
            trouble(before_database, now)
            now.assert_nothing_is_lost()
            now.producers.wait_progress()


@pytest.mark.parametrize("rounds", [2], indirect=True)
def test_a_bad_network_before_the_service_loses_and_doubles_nothing(
    postgres_dsn: str, replica: Callable[[str], Server], tmp_path: Path, rounds: int
) -> None:
    server = replica(postgres_dsn)
    with FaultProxy(("127.0.0.1", server.port)) as proxy:
        site = Site(home=tmp_path / "home", port=proxy.port, web_port=server.web_port)
        load = Load(database=postgres_dsn, addresses=[proxy.address], site=site, repeats=0.5)
        for number in range(rounds):
            with load.round(number, seed=7000 + number) as now:
                trouble(proxy, now)
                now.assert_nothing_is_lost()
                now.producers.wait_progress()


def trouble(proxy: FaultProxy, now: Round) -> None:
    """Delays and losses, in which work goes on; then nothing arrives, and then all of it late."""
    proxy.chance.seed(now.seed)
    proxy.delay(0.0, 0.004)
    proxy.drop(0.02)
    enough = proxy.counts["dropped"] + DROPS_OF_A_ROUND
    wait_until(lambda: proxy.counts["dropped"] >= enough, "connections are dropped")
    now.producers.wait_progress()
    proxy.refuse()
    proxy.cut()
    now.sleep(0.0, 0.3)
    proxy.heal()
    now.producers.wait_progress()
    proxy.stall()
    now.sleep(0.1, 0.5)
    proxy.heal()
