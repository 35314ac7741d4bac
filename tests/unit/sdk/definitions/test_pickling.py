"""Flows and tasks, pickled as functions are."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING

from towpath import flow, task

if TYPE_CHECKING:
    from pathlib import Path


@task
def double(x: int) -> int:
    return 2 * x


@flow
def doubles(x: int) -> int:
    return double(x)


SCRIPT = """
import multiprocessing
from towpath import flow, task

@task
def double(x): return 2 * x

@flow
def doubles(x): return double(x)

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.map(double, [1, 2]), pool.map(doubles, [3]))
"""


def test_definitions_are_pickled_by_reference() -> None:
    for definition in (double, doubles):
        assert pickle.loads(pickle.dumps(definition)) is definition
        assert copy.deepcopy(definition) is definition


def test_a_pool_of_processes_takes_flows_and_tasks_of_a_script(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        check=False,
        env={"TOWPATH_HOME": str(tmp_path / "home"), "TOWPATH_DISPLAY": "quiet"},
        timeout=240,
    )
    assert done.stdout == "[2, 4] [6]\n", done.stderr
