"""Pipelines and servers are killed at random points; nothing acknowledged is lost or doubled.

A short form runs always, a hundred rounds with --soak. The seed of a failing round is in its
message.
"""

from __future__ import annotations

import random
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from towpath_service.runs.domain.states import RunState

from tests.chaos.history import recorded_runs, unfinished, violations
from tests.chaos.pipeline import WIDTH
from tests.chaos.processes import Site, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.subject("delivery", "runs")

WAVES = 6
TASKS_OF_A_WAVE = WIDTH + 2


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    home = tmp_path / "home"
    home.mkdir()
    made = Site(home=home)
    yield made
    if made.server is not None:
        made.stop_server()


def assert_complete(site: Site, *, runs_expected: int) -> None:
    runs = recorded_runs(site.database)
    assert violations(site.database) == []
    not_completed = {
        run.name: run.state for run in runs.values() if run.state != RunState.COMPLETED
    }
    assert not_completed == {}
    assert len(runs) == runs_expected


@pytest.mark.timeout(3600)
def test_a_server_killed_and_restarted_in_mid_flow_loses_and_doubles_nothing(
    site: Site, tmp_path: Path, rounds: int
) -> None:
    site.start_server()
    for number in range(rounds):
        chance = random.Random(number)
        pipeline = site.pipeline(tmp_path / f"witness-{number}", WAVES)
        while pipeline.poll() is None:
            time.sleep(chance.uniform(0.05, 0.5))
            site.kill_server()
            time.sleep(chance.uniform(0.0, 0.3))
            site.start_server()
            try:
                pipeline.wait(timeout=chance.uniform(0.5, 1.5))
            except subprocess.TimeoutExpired:
                continue
        assert pipeline.returncode == 0, f"round {number}: the pipeline suffered from the outage"
        assert site.command("sync").returncode == 0
    expected = rounds * (1 + WAVES * (1 + TASKS_OF_A_WAVE))
    wait_until(lambda: len(recorded_runs(site.database)) >= expected, "every run is recorded")
    wait_until(lambda: not unfinished(site.database), "every run has ended")
    assert_complete(site, runs_expected=expected)


@pytest.mark.timeout(3600)
def test_a_pipeline_killed_at_a_random_point_ends_in_the_right_state(
    site: Site, tmp_path: Path, rounds: int
) -> None:
    site.start_server()
    for number in range(rounds):
        chance = random.Random(1000 + number)
        witness = tmp_path / f"witness-{number}"
        pipeline = site.pipeline(witness, WAVES)
        wait_until(witness.exists, "the pipeline has begun")
        time.sleep(chance.uniform(0.0, 0.8))
        pipeline.kill()
        pipeline.wait(timeout=30)
        if chance.random() < 0.5:
            site.kill_server()
            site.start_server()
        synced = site.command("sync")
        assert synced.returncode == 0, f"round {number}: {synced.stderr}"
        wait_until(lambda: not unfinished(site.database), f"round {number}: every run has ended")
        assert violations(site.database) == [], f"round {number}"
        assert_states_follow_the_witness(site, witness)


@pytest.mark.timeout(3600)
def test_a_pipeline_killed_without_any_server_is_told_by_the_next_command(
    site: Site, tmp_path: Path, rounds: int
) -> None:
    site.use_server = False
    for number in range(rounds):
        chance = random.Random(2000 + number)
        witness = tmp_path / f"witness-{number}"
        pipeline = site.pipeline(witness, WAVES)
        wait_until(witness.exists, "the pipeline has begun")
        time.sleep(chance.uniform(0.0, 0.8))
        pipeline.kill()
        pipeline.wait(timeout=30)
        listed = site.command("run", "ls", "-o", "json")
        assert listed.returncode == 0, f"round {number}: {listed.stderr}"
        assert unfinished(site.database) == [], f"round {number}"
        assert violations(site.database) == [], f"round {number}"
        assert_states_follow_the_witness(site, witness)
        assert not list((site.home / "outbox").glob("*/*.updates"))


def assert_states_follow_the_witness(site: Site, witness: Path) -> None:
    """What ran is recorded, and the flow of a killed process is CRASHED or had completed."""
    runs = recorded_runs(site.database).values()
    began = {line for line in witness.read_text().splitlines() if line.startswith("step")}
    steps = [run for run in runs if run.name.startswith("step")]
    assert len(steps) >= len(began)
    for run in runs:
        assert run.state in {RunState.COMPLETED, RunState.CRASHED, RunState.SKIPPED}, run
    crashed_flows = [run for run in runs if run.kind == 1 and run.state is RunState.CRASHED]
    for flow_run in crashed_flows:
        assert flow_run.reason in {"PROCESS_LOST", "PRODUCER_LOST"}
