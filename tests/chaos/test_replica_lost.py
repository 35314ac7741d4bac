"""A replica is killed under load: its producers move to the other, and lose and double nothing.

A short form runs always, a hundred rounds with --soak.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chaos.processes import Site
from tests.chaos.proxy import FaultProxy
from tests.chaos.rounds import Load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.scenarios.servers import Server

pytestmark = pytest.mark.subject("runs")


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("rounds", [2], indirect=True)
def test_killed_replicas_lose_no_update_and_producers_move_over(
    postgres_dsn: str, replica: Callable[[str], Server], tmp_path: Path, rounds: int
) -> None:
    replicas = [replica(postgres_dsn), replica(postgres_dsn)]
    ports = [("127.0.0.1", one.port) for one in replicas]
    web_ports = [("127.0.0.1", one.web_port) for one in replicas]
    # What a load balancer does for processes that know of one address.
    with FaultProxy(*ports) as balancer, FaultProxy(*web_ports) as web_balancer:
        site = Site(home=tmp_path / "home", port=balancer.port, web_port=web_balancer.port)
        load = Load(database=postgres_dsn, addresses=[one.address for one in replicas], site=site)
        for number in range(rounds):
            with load.round(number, seed=4000 + number) as now:
                for victim in now.chance.sample(replicas, 2):
                    now.sleep(0.0, 0.3)
                    victim.kill()
                    now.producers.wait_progress()
                    now.assert_nothing_is_lost()
                    victim.start()
                    now.producers.wait_progress()
