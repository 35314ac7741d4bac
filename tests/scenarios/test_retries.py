"""A script's run that failed, and is retried by command from where it failed."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """
from towpath import flow, task


@task(persist_result=True)
def extract(day):
    print("extracting", day, flush=True)
    return day


@task(persist_result=True)
def load(rows):
    raise ValueError("disk full")


@flow
def etl(day: str = "monday"):
    return load(extract(day))


if __name__ == "__main__":
    etl()
"""


def test_a_repaired_script_goes_on_where_it_failed(tmp_path: Path) -> None:
    script = tmp_path / "etl.py"
    script.write_text(SCRIPT)
    environment = {**os.environ, "TOWPATH_HOME": str(tmp_path / "home")}

    def python(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    first = python("etl.py")
    assert "extracting monday" in first.stdout
    run = python("-m", "towpath", "run", "ls", "-o", "name").stdout.strip()
    planned = python("-m", "towpath", "run", "retry", run, "--dry-run").stdout
    assert [line.split()[:2] for line in planned.splitlines()[1:]] == [
        ["extract", "reused"],
        ["load", "run"],
    ]
    refused = python("-m", "towpath", "run", "retry", run)
    assert (refused.returncode, "--here FILE:FLOW" in refused.stderr) == (5, True)
    script.write_text(SCRIPT.replace('raise ValueError("disk full")', "return rows"))
    retried = python("-m", "towpath", "run", "retry", run, "--here", "etl.py:etl")
    assert (retried.returncode, "extracting" in retried.stdout) == (0, False), retried
    shown = python("-m", "towpath", "run", "inspect", run).stdout
    assert "attempt   2" in shown
    assert "RETRY_REQUESTED" in shown
    again = python("-m", "towpath", "run", "retry", run, "--here", "etl.py:etl")
    assert (again.returncode, "COMPLETED and can't be retried" in again.stderr) == (5, True)
