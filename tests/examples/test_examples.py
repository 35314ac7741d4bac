from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TOWPATH_")}
    return subprocess.run(
        [sys.executable, *arguments],
        env=kept | {"TOWPATH_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def listed(home: Path, *filters: str) -> list[dict[str, object]]:
    result = run(home, "-m", "towpath", "run", "ls", "-o", "json", *filters)
    assert result.returncode == 0, result.stderr
    return list(json.loads(result.stdout))


def test_the_stars_are_counted_although_every_first_request_fails(tmp_path: Path) -> None:
    result = run(tmp_path, str(EXAMPLES / "github_stars.py"), "--offline")
    assert result.returncode == 0, result.stderr
    assert "python/cpython" in result.stdout
    tasks = listed(tmp_path, "--kind", "task")
    assert [(item["state"], item["attempt"]) for item in tasks] == [("COMPLETED", 2)] * 3
    (flow_run,) = listed(tmp_path, "--kind", "flow")
    assert (flow_run["state"], flow_run["name"]) == ("COMPLETED", "github_stars")


def test_a_broken_part_costs_only_what_needs_it(tmp_path: Path) -> None:
    result = run(tmp_path, str(EXAMPLES / "fan_out.py"))
    assert result.returncode == 1
    assert "load[3] failed (ValueError: part 3 is not readable)" in result.stderr
    assert "fan_out.py:19 in load: raise ValueError" in result.stderr
    assert "not run: clean[3], combine" in result.stderr
    assert "Traceback" not in result.stderr
    states = Counter((str(i["task"]), str(i["state"])) for i in listed(tmp_path, "--kind", "task"))
    assert states == {
        ("load", "COMPLETED"): 9,
        ("load", "FAILED"): 1,
        ("clean", "COMPLETED"): 9,
        ("clean", "SKIPPED"): 1,
        ("combine", "SKIPPED"): 1,
    }


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("run", "inspect", "zzzzzzzz"), 3, "towpath run ls"),
        (("rn",), 2, "Did you mean 'run'"),
        (("run", "ls", "--state", "BROKEN"), 2, "there are SCHEDULED"),
        (("run", "ls", "--since", "yesterday"), 2, "30m, 12h or 7d"),
    ],
)
def test_a_wrong_command_ends_in_one_line_that_says_what_to_do(
    tmp_path: Path, arguments: tuple[str, ...], code: int, says: str
) -> None:
    result = run(tmp_path, "-m", "towpath", *arguments)
    assert result.returncode == code
    assert says in result.stderr
    assert "Traceback" not in result.stderr


def test_a_server_that_is_away_is_exit_code_6(tmp_path: Path) -> None:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TOWPATH_")}
    result = subprocess.run(
        [sys.executable, "-m", "towpath", "run", "ls"],
        env=kept | {"TOWPATH_HOME": str(tmp_path), "TOWPATH_SERVER_ADDRESS": "127.0.0.1:1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 6
    assert "towpath server start" in result.stderr


def test_importing_the_names_loads_nothing_heavy() -> None:
    probe = (
        "import sys; import towpath; from towpath import flow, task;"
        "heavy = {'pydantic', 'grpc', 'google.protobuf', 'rich', 'sqlalchemy', 'towpath_service'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_the_service_module_ends_a_wrong_setting_in_a_message(tmp_path: Path) -> None:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TOWPATH_")}
    result = subprocess.run(
        [sys.executable, "-m", "towpath_service", "start", "--port", "0", "--web-port", "0"],
        env=kept | {"TOWPATH_HOME": str(tmp_path), "TOWPATH_LOG_LEVEL": "NOPE"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 2
    assert "must be one of DEBUG" in result.stderr
    assert "Traceback" not in result.stderr
