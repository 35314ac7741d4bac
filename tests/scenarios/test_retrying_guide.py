"""The guide of retries, walked command by command."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.scenarios.guide_workers import worker
from tests.scenarios.guides import Terminal, commands_of
from tests.scenarios.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.subject("work")

ETL = """
from pathlib import Path
from towpath import flow, task

@task(persist_result=True)
def extract(day: str) -> str:
    return day

@task(persist_result=True)
def load(rows: str) -> str:
    if not Path("repaired").exists():
        raise ValueError("disk full")
    return rows

@flow
def etl(day: str = "2026-11-30") -> str:
    return load(extract(day))

if __name__ == "__main__":
    etl()
"""


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(tmp_path / "home", tmp_path / "bin")
    (made.home / "etl.py").write_text(ETL)
    yield made
    made.stops()


def runs(terminal: Terminal) -> list[tuple[str, int]]:
    """State and attempt of each flow run, the newest first."""
    shown = json.loads(terminal.runs("towpath run ls -o json"))
    return [(run["state"], run["attempt"]) for run in shown]


def become(terminal: Terminal, *states: tuple[str, int]) -> None:
    wait_until(lambda: runs(terminal) == list(states), f"the runs are {states}")


def only_run(terminal: Terminal) -> str:
    [run] = json.loads(terminal.runs("towpath run ls -o json"))
    return str(run["short_id"])


def test_runs_of_deployments_are_retried_one_by_one_and_together(terminal: Terminal) -> None:
    one, many = (
        commands_of("retrying")[name] for name in ("Retry from where it failed", "Many runs")
    )
    repaired = terminal.home / "repaired"
    terminal.serves("towpath server start", typed=False)
    terminal.runs("towpath pool create local")
    with worker(terminal, "towpath worker start --pool local"):
        terminal.runs("towpath deploy etl.py:etl --name nightly --pool local")
        terminal.runs("towpath deployment run etl/nightly --watch", ends=1)
        terminal.stands_for["RUN"] = only_run(terminal)
        terminal.typed.clear()
        planned = [line.split()[:2] for line in terminal.types(one[0]).splitlines()[1:3]]
        assert planned == [["extract", "reused"], ["load", "run"]]
        terminal.types(one[1])
        become(terminal, ("FAILED", 2))
        repaired.touch()
        terminal.types(one[2])
        become(terminal, ("COMPLETED", 3))
        assert terminal.typed == one

        repaired.unlink()
        for day in (1, 2):
            terminal.runs(f"towpath deployment run etl/nightly --param day={day} --watch", ends=1)
        terminal.typed.clear()
        assert "2 runs (2 FAILED)" in terminal.types(many[0])
        repaired.touch()
        terminal.types(many[1])
        become(terminal, ("COMPLETED", 2), ("COMPLETED", 2), ("COMPLETED", 3))
        for command in many[2:]:
            assert "0 runs" in terminal.types(command)
    assert terminal.typed == many


def test_a_run_of_a_script_is_retried_here(terminal: Terminal) -> None:
    terminal.runs("python etl.py", ends=1)
    terminal.stands_for["RUN"] = only_run(terminal)
    (terminal.home / "repaired").touch()
    (command,) = commands_of("retrying")["Runs of scripts"]
    terminal.types(command)
    assert runs(terminal) == [("COMPLETED", 2)]
    assert terminal.typed == [command]
