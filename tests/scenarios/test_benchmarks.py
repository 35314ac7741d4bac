"""The benchmarks run, and say on what; how fast they find things is no test's business."""

from __future__ import annotations

import ast
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.__main__ import BENCHMARKS
from tests.benchmarks.command import load, run_command
from tests.benchmarks.compared.ratios import comparison, medians
from tests.benchmarks.compared.sides import Towpath
from tests.benchmarks.compared.turns import Timed, Turn, lay_out, take_turn

ROOT = Path(__file__).parents[2]
PIPELINES = ["called", "submitted", "mapped"]


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_has_options_that_all_have_defaults(name):
    assert load(BENCHMARKS[name]).parser(name).parse_args([])


def test_without_a_name_all_benchmarks_are_listed(capsys):
    assert run_command(BENCHMARKS, []) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]]
    assert listed == list(BENCHMARKS)


def test_a_name_that_is_none_is_answered_with_the_list(capsys):
    assert run_command(BENCHMARKS, ["speed"]) == 2
    printed = capsys.readouterr().out
    assert "no benchmark 'speed'" in printed
    assert "engine" in printed


def test_a_benchmark_tells_its_machine_and_method_with_its_result():
    command = [sys.executable, "-m", "tests.benchmarks", "engine", "--tasks", "50", "--rounds", "1"]
    printed = subprocess.check_output(command, cwd=ROOT, text=True).splitlines()
    assert printed[0].startswith("machine: ")
    assert platform.python_version() in printed[0]
    assert printed[1].startswith("method: ")
    assert [line.split()[:2] for line in printed[3:5]] == [["called", "50"], ["submitted", "50"]]


def test_a_turn_of_the_comparison_times_each_pipeline_at_each_size():
    turn = take_turn(Towpath(), [20, 50], idle_seconds=0)
    timed = [(one.pipeline, one.tasks) for one in turn.timed]
    assert timed == [(name, tasks) for name in PIPELINES for tasks in (20, 50)]
    assert turn.idle_megabytes > 0


def test_prefects_scripts_are_python_and_import_prefect_only(tmp_path):
    script = lay_out("prefect", tmp_path / "pipelines")
    assert script.exists()
    trees = [ast.parse(path.read_text()) for path in script.parent.iterdir()]
    imports = [
        node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
    ]
    assert {str(node.module).partition(".")[0] for node in imports} == {
        *("__future__", "collections", "pipelines", "timing", "typing"),
        "prefect",
    }


def test_ratios_are_those_of_the_medians_and_say_whether_they_reach_the_target():
    lines = list(comparison(_medians([900, 3000, 4000], 0.1), _medians([100, 90, 110], 0.5)))
    assert lines[1].split() == [
        "called,",
        "10",
        "tasks",
        "3,000",
        "tasks/s",
        "100",
        "tasks/s",
        "30.0x",
        "met",
    ]
    assert lines[2].split() == ["lag", "0.10", "s", "0.50", "s", "5.0x", "below", "10"]


def _medians(rates, lag):
    turns = [
        Turn(
            import_seconds=1.0,
            idle_megabytes=100.0,
            timed=[Timed(pipeline="called", tasks=10, seconds=10 / rate, lag=lag)],
        )
        for rate in rates
    ]
    return medians(turns)
