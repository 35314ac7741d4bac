"""Flows of like names are listed apart, by the names that they were given."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.scenarios.commands import listed, pipeline, towpath

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ["load-a", "load_a", "日次集計", "月次集計", "x" * 62 + "é", "x" * 62 + "è"]
RUNS = f"""
from towpath import flow
for name in {NAMES!r}:
    flow(lambda: 1, name=name)()
"""


def test_flows_of_like_names_stay_apart_in_every_list(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert pipeline(home, RUNS).wait(60) == 0
    told = json.loads(towpath(home, "flow", "ls", "-o", "json", PYTHONIOENCODING="utf-8").stdout)
    assert sorted(flow["name"] for flow in told) == sorted(NAMES)
    assert all(flow["runs"] == {"COMPLETED": 1} for flow in told)
    table = towpath(home, "flow", "ls", "-o", "wide", PYTHONIOENCODING="utf-8").stdout
    assert {line.split()[0] for line in table.splitlines()[1:]} == set(NAMES)
    assert {run["flow"] for run in listed(home)} == set(NAMES)
    for name in NAMES[:2]:
        assert [run["flow"] for run in listed(home, "--flow", name)] == [name]
