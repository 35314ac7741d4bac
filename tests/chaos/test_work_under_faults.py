"""Deployed runs under faults of every process: each slot is decided once, each run ends, once.

A short form runs always; --soak runs a thousand cycles, and 200 slots of a pipeline. A failing
cycle has its number, which is its seed, in its message; --log-cli-level=INFO shows each cycle.
"""

from __future__ import annotations

import logging
import random
import time
from typing import TYPE_CHECKING

import pytest

from tests.chaos.failpoints import POINTS
from tests.chaos.processes import wait_until
from tests.chaos.work_places import EACH_SECOND, ONE_AT_A_TIME, Faults, open_place

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chaos.failpoints import Act
    from tests.postgres import PostgresServer

pytestmark = [pytest.mark.subject("work"), pytest.mark.timeout(14400)]

_log = logging.getLogger(__name__)

SHORT_CYCLES = 50
SOAK_CYCLES = 1000
SHORT_SLOTS = 8
SOAK_SLOTS = 200
ACTS: tuple[Act, ...] = ("kill", "stop")


@pytest.fixture
def soaks(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--soak"))


def test_every_slot_is_decided_once_and_its_run_ends_once(
    own_postgres: PostgresServer, tmp_path: Path, soaks: bool
) -> None:
    cycles = SOAK_CYCLES if soaks else SHORT_CYCLES
    order = random.Random(7000)
    pairs = [(point, act) for point in order.sample(POINTS, len(POINTS)) for act in ACTS]
    # The short form comes to each point, the long one to each with both acts, again and again.
    pairs = pairs if soaks else [pairs[2 * n + order.randrange(2)] for n in range(len(POINTS))]
    schedules = dict.fromkeys(("one", "other"), ONE_AT_A_TIME)
    with open_place(own_postgres, tmp_path, schedules) as place:
        begun = time.monotonic()
        for number in range(cycles):
            faults = Faults(place, random.Random(7100 + number))
            try:
                # After eight failpoints, a fault at any moment.
                if number % 9:
                    faults.at(*pairs[(number - number // 9 - 1) % len(pairs)])
                else:
                    faults.directly()
                _log.info("%6.1f s, cycle %d: %s", time.monotonic() - begun, number, faults.log)
            except BaseException as error:
                error.add_note(f"in cycle {number}: {faults.log}")
                raise
        struck = time.monotonic()
        place.end()
        place.check()
        rest = time.monotonic() - struck
        slots, runs = len(place.slots), place.states()
        _log.info("at rest after %.1f s with %d decisions and %s", rest, slots, runs)


def test_a_pipeline_survives_each_replica_and_each_worker_killed_in_turn(
    own_postgres: PostgresServer, tmp_path: Path, soaks: bool
) -> None:
    slots = SOAK_SLOTS if soaks else SHORT_SLOTS
    with open_place(own_postgres, tmp_path, {"nightly": EACH_SECOND}) as place:
        faults = Faults(place, random.Random(7001))
        turns = [(faults.replica_killed, number) for number in range(2)]
        turns += [(faults.worker_killed, number) for number in range(2)]
        for number in range(0, slots, 2):
            wait_until(lambda: len(place.slots) > number, f"slot {number} is decided")  # noqa: B023
            kill, victim = turns[number // 2 % len(turns)]
            kill(victim)
        place.end()
        place.check()
        assert set(place.states()) == {"COMPLETED"}
