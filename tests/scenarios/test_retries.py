"""Runs that failed, and are retried from where they failed: by a script, and by a worker."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from towpath._state_type import StateType
from towpath.exceptions import NotRetryableError

from tests.forkserver.processes import ran
from tests.scenarios.servers import environment
from tests.scenarios.work_sites import Site

if TYPE_CHECKING:
    import subprocess
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

    def python(what: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        variables = environment(tmp_path / "home")
        return ran(what, arguments, environment=variables, folder=tmp_path, timeout=240)

    first = python("etl.py")
    assert "extracting monday" in first.stdout
    run = python("towpath", "run", "ls", "-o", "name").stdout.strip()
    planned = python("towpath", "run", "retry", run, "--dry-run").stdout
    assert [line.split()[:2] for line in planned.splitlines()[1:]] == [
        ["extract", "reused"],
        ["load", "run"],
    ]
    refused = python("towpath", "run", "retry", run)
    assert (refused.returncode, "--here FILE:FLOW" in refused.stderr) == (5, True)
    script.write_text(SCRIPT.replace('raise ValueError("disk full")', "return rows"))
    retried = python("towpath", "run", "retry", run, "--here", "etl.py:etl")
    assert (retried.returncode, "extracting" in retried.stdout) == (0, False), retried
    shown = python("towpath", "run", "inspect", run).stdout
    assert "attempt   2" in shown
    assert "RETRY_REQUESTED" in shown
    again = python("towpath", "run", "retry", run, "--here", "etl.py:etl")
    assert (again.returncode, "COMPLETED and can't be retried" in again.stderr) == (5, True)


DEPLOYED = """
from pathlib import Path
from towpath import flow, task

@task(persist_result=True)
def extract(place: str) -> str:
    with (Path(place) / "ran").open("a") as file:
        file.write("e")
    return place

@task(persist_result=True)
def load(place: str) -> None:
    with (Path(place) / "ran").open("a") as file:
        file.write("l")
    raise ValueError("disk full")

@flow
def etl(place: str) -> None:
    load(extract(place))
"""


def test_a_worker_goes_on_where_a_run_failed(make_server: Any, tmp_path: Path) -> None:
    server = make_server()
    server.start()
    with closing(Site(server)) as site:
        code = site.folder / "failing.py"
        code.write_text(DEPLOYED)
        site.deploy("etl", file="failing.py")
        site.start_worker()
        run_id = site.begin("etl", place=str(tmp_path))
        assert site.ended(run_id).state is StateType.FAILED
        code.write_text(DEPLOYED.replace('raise ValueError("disk full")', "return"))
        site.client.retry(run_id, attempt=1)
        ended = site.ended(run_id)
        assert (ended.state, ended.attempt) == (StateType.COMPLETED, 2), ended
        # The step that had completed came back from its stored result.
        assert (tmp_path / "ran").read_text() == "ell"
        with pytest.raises(NotRetryableError):
            site.client.retry(run_id)
