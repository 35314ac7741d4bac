"""Type checkers accept what users write and reject what they get wrong."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def mypy(path: Path) -> set[int]:
    ended = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode in {0, 1}, ended.stderr
    found = re.findall(rf"{re.escape(path.name)}:(\d+): error", ended.stdout)
    assert bool(found) == bool(ended.returncode), ended.stdout
    return set(map(int, found))


def pyright(path: Path, folder: Path) -> set[int]:
    shutil.copy(path, folder)
    config = folder / "pyrightconfig.json"
    settings = {
        "include": [path.name],
        "extraPaths": [str(ROOT / name) for name in ("sdk", "service", "auth")],
        "typeCheckingMode": "strict",
        "pythonVersion": "3.11",
        # Marked lines are statements for their errors' sake.
        "reportUnusedExpression": False,
    }
    config.write_text(json.dumps(settings))
    ended = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson", "--project", str(config)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    diagnostics = json.loads(ended.stdout)["generalDiagnostics"]
    return {
        item["range"]["start"]["line"] + 1 for item in diagnostics if item["severity"] == "error"
    }


@pytest.mark.parametrize("folder", ["accepted", "rejected"])
@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_checkers_find_what_is_wrong_and_nothing_else(
    folder: str, checker: str, tmp_path: Path
) -> None:
    path = HERE / folder / "calls.py"
    lines = path.read_text().splitlines()
    wrong = {number for number, line in enumerate(lines, 1) if line.endswith("# wrong")}
    assert bool(wrong) == (folder == "rejected")
    found = mypy(path) if checker == "mypy" else pyright(path, tmp_path)
    assert found == wrong
