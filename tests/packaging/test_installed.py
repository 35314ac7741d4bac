"""The wheel works by itself: what runs here comes from it, not from the work tree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.packaging.declared import entry_points

POINTS = """
import json, sys
from importlib.metadata import distributions

(towpath,) = distributions(path=[sys.argv[1]])
found = []
for point in towpath.entry_points:
    point.load()
    found.append([point.group, point.name, point.value, sys.modules[point.module].__file__])
print(json.dumps(found))
"""
PIPELINE = """
from towpath import flow, task

@task
def one():
    return 1

@flow
def installed():
    return one()

installed()
"""


def python(site: Path, home: Path, *arguments: str) -> str:
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=home,
        env={**os.environ, "PYTHONPATH": str(site), "TOWPATH_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_every_entry_point_is_there_and_loads(site: Path, tmp_path: Path) -> None:
    found = json.loads(python(site, tmp_path, "-c", POINTS, str(site)))
    assert {(group, name, target) for group, name, target, _ in found} == entry_points()
    for *_, file in found:
        assert Path(file).is_relative_to(site)


def test_a_run_is_recorded_and_listed(site: Path, tmp_path: Path) -> None:
    python(site, tmp_path, "-c", PIPELINE)
    listed = json.loads(python(site, tmp_path, "-m", "towpath", "run", "ls", "--all", "-o", "json"))
    assert {run["state"] for run in listed} == {"COMPLETED"}
    assert {run["kind"] for run in listed} == {"flow", "task"}
