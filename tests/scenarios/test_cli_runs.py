from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.scenarios.commands import FAN_OUT, listed, pipeline, towpath
from tests.scenarios.servers import environment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytestmark = pytest.mark.subject("cli", "runs")

RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two flows have run, without a server."""
    folder = tmp_path_factory.mktemp("cli") / "home"
    assert pipeline(folder, FAN_OUT).wait(60) == 0
    return folder


@pytest.fixture(scope="module")
def runs(home: Path) -> dict[str, dict[str, object]]:
    return {str(run["name"]): run for run in listed(home)}


def names(runs: Sequence[dict[str, object]]) -> list[str]:
    return sorted(str(run["name"]) for run in runs)


def test_the_list_is_one_json_array_with_what_scripts_need(
    runs: dict[str, dict[str, object]],
) -> None:
    assert (
        set(runs) == {"lonely", "fan_out", "load", "load[1]", "load[2]", "combine"}
        or len(runs) == 6
    )
    flow = runs["fan_out"]
    assert (flow["kind"], flow["state"], flow["parent_id"]) == ("flow", "FAILED", None)
    skipped = runs["combine"]
    assert (skipped["kind"], skipped["state"], skipped["reason"]) == (
        "task",
        "SKIPPED",
        "UPSTREAM_FAILED",
    )
    assert "part 1 is broken" in str(skipped["message"])
    assert (skipped["started"], skipped["flow"]) == (None, "fan_out")
    assert skipped["parent_id"] == flow["id"]
    for run in runs.values():
        assert run["attempt"] == 1
        assert RFC_3339.fullmatch(str(run["created"]))
        assert RFC_3339.fullmatch(str(run["ended"]))


def test_filters_narrow_the_list(home: Path, runs: dict[str, dict[str, object]]) -> None:
    parent = str(runs["fan_out"]["short_id"])
    assert names(listed(home, "--kind", "flow")) == ["fan_out", "lonely"]
    assert names(listed(home, "--state", "skipped,failed", "--kind", "task")) == [
        "combine",
        "load[1]",
    ]
    assert names(listed(home, "--flow", "lonely")) == ["lonely"]
    assert len(listed(home, "--flow", "fan_out")) == 5
    assert len(listed(home, "--parent", parent)) == 4
    assert len(listed(home, "--since", "1h", "--limit", "2")) == 2
    assert listed(home, "--since", "2999-01-01") == []


@pytest.mark.parametrize(
    "form", [lambda id_, _: id_, lambda id_, _: f"run_{id_}", lambda _, s: s, lambda _, s: s[3:]]
)
def test_every_form_of_an_id_is_taken(home: Path, runs: dict[str, dict[str, object]], form) -> None:
    run = runs["load[1]"]
    result = towpath(home, "run", "inspect", form(str(run["id"]), str(run["short_id"])))
    assert result.returncode == 0, result.stderr
    assert f"run_{run['id']}" in result.stdout
    assert "FAILED" in result.stdout
    assert "ValueError: part 1 is broken" in result.stdout


def test_one_run_is_told_whole_as_json(home: Path, runs: dict[str, dict[str, object]]) -> None:
    result = towpath(home, "run", "get", str(runs["fan_out"]["id"]), "-o", "json")
    told = json.loads(result.stdout)
    assert told["children"] == {"COMPLETED": 2, "FAILED": 1, "SKIPPED": 1}
    assert [item["to"] for item in told["transitions"]] == ["RUNNING", "FAILED"]
    assert told["failure"]["type"]


def test_why_names_the_rule_of_every_decision(
    home: Path, runs: dict[str, dict[str, object]]
) -> None:
    result = towpath(home, "run", "why", str(runs["combine"]["short_id"]), "-o", "json")
    decisions = json.loads(result.stdout)
    assert [(item["verdict"], item["rule"], item["from"], item["to"]) for item in decisions] == [
        ("accepted", "CREATED", None, "PENDING"),
        ("accepted", "TABLE", "PENDING", "SKIPPED"),
    ]
    assert "SKIPPED" in towpath(home, "run", "why", str(runs["combine"]["id"])).stdout


def test_logs_name_the_run_of_each_line_and_keep_to_a_level(
    home: Path, runs: dict[str, dict[str, object]]
) -> None:
    flow = str(runs["fan_out"]["short_id"])
    lines = towpath(home, "run", "logs", flow).stdout.splitlines()
    assert len(lines) == 4
    assert any(line.endswith("load[1]  part 1 looks odd") for line in lines)
    told = towpath(home, "run", "logs", flow, "--level", "warning", "-o", "json")
    assert [line["body"] for line in json.loads(told.stdout)] == ["part 1 looks odd"]
    quiet = towpath(home, "run", "logs", str(runs["lonely"]["id"]))
    assert (quiet.stdout, quiet.stderr) == ("", "The run has no log lines.\n")


def test_flows_are_listed_with_what_became_of_their_runs(home: Path) -> None:
    told = json.loads(towpath(home, "flow", "ls", "-o", "json").stdout)
    assert {flow["name"]: flow["runs"] for flow in told} == {
        "fan_out": {"FAILED": 1},
        "lonely": {"COMPLETED": 1},
    }
    assert "fan_out" in towpath(home, "flow", "ls").stdout


def test_names_alone_can_be_piped(home: Path, runs: dict[str, dict[str, object]]) -> None:
    result = towpath(home, "run", "ls", "-o", "name", "--kind", "flow", "--flow", "lonely")
    assert result.stdout == f"run_{runs['lonely']['id']}\n"


def test_ids_are_whole_on_a_terminal_of_80_columns(
    home: Path, runs: dict[str, dict[str, object]]
) -> None:
    controller, terminal = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "towpath", "run", "ls", "--all"],
        env=environment(home, COLUMNS="80", LINES="24"),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    shown = b""
    while True:
        try:
            shown += os.read(controller, 65536)
        except OSError:  # Its other end is closed: the command has ended.
            break
    os.close(controller)
    assert process.wait(30) == 0
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).splitlines()
    assert all(len(line) <= 80 for line in plain)
    assert {line.split()[0] for line in plain[1:]} == {str(r["short_id"]) for r in runs.values()}


def test_colours_stay_away_when_asked_to(home: Path) -> None:
    assert "\x1b[" not in towpath(home, "run", "ls", NO_COLOR="1").stdout


def test_a_reader_that_goes_away_ends_the_command_quietly(home: Path) -> None:
    command = f"{sys.executable} -m towpath run ls -o json | head -c 1"
    result = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_deleting_asks_first_and_takes_what_is_below_along(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert pipeline(home, FAN_OUT).wait(60) == 0
    (flow,) = listed(home, "--flow", "fan_out", "--kind", "flow")
    asked = towpath(home, "run", "delete", flow["short_id"])
    assert asked.returncode == 2
    assert "give --yes" in asked.stderr
    deleted = towpath(home, "run", "delete", flow["short_id"], "--yes")
    assert (deleted.returncode, deleted.stderr) == (0, f"deleted {flow['short_id']}\n")
    assert names(listed(home)) == ["lonely"]
    assert towpath(home, "run", "inspect", flow["id"]).returncode == 3


def test_a_home_without_runs_says_how_to_get_some(tmp_path: Path) -> None:
    result = towpath(tmp_path, "run", "ls")
    assert (result.returncode, result.stdout) == (0, "")
    assert "run a script with a @flow" in result.stderr
    assert towpath(tmp_path, "-q", "run", "ls").stderr == ""
    assert listed(tmp_path) == []
