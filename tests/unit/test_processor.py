"""The seconds of processors that tests take are told by folder, file and test."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

from tests.processor import ProcessorTimes, by_file, by_folder, seconds

COSTS = {
    "tests/unit/sdk/work/test_shim.py::test_a[x/y]": 1.0,
    "tests/unit/sdk/test_b.py::test_b": 2.0,
    "tests/chaos/test_c.py::test_c": 4.0,
    "tests/chaos/test_c.py::test_d": 8.0,
}


def test_costs_are_summed_by_folder_and_by_file() -> None:
    assert by_folder(COSTS) == {"tests/unit/sdk": 3.0, "tests/chaos": 12.0}
    assert by_file(COSTS)["tests/chaos/test_c.py"] == 12.0


def test_processes_that_are_started_count_beside_this_one() -> None:
    before = seconds(children=True) - seconds(children=False)
    subprocess.run([sys.executable, "-I", "-S", "-c", "sum(range(3_000_000))"], check=True)
    assert seconds(children=True) - seconds(children=False) > before


def test_costs_of_all_workers_are_told_together() -> None:
    times, told = ProcessorTimes(distributes=True), list[str]()
    for _ in range(2):
        times.pytest_testnodedown(SimpleNamespace(workeroutput={"processor": COSTS}))
    times.pytest_testnodedown(SimpleNamespace())  # One that has died.
    reporter = SimpleNamespace(section=told.append, write_line=told.append)
    times.pytest_terminal_summary(reporter)  # type: ignore[arg-type]
    assert "    24.0  tests/chaos" in told
    assert "    16.0  tests/chaos/test_c.py::test_d" in told
    assert told[1] == "    30.0  all, of which 30.0 tests"
