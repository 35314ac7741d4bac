"""The harness for users' tests."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from towpath import flow, get_run_logger, task
from towpath.results import get_result_store
from towpath.runtime import flow_run, task_run
from towpath.testing import harness
from towpath.transactions import transaction

if TYPE_CHECKING:
    from pathlib import Path


@task(retries=2, retry_delay_seconds=3600)
def late(until: int) -> int:
    get_run_logger().info("attempt %d", task_run.run_count)
    if task_run.run_count < until:
        raise ConnectionError("away")
    return task_run.run_count


@flow
def patient(until: int) -> int:
    return late.submit(until).result()


def test_delays_pass_at_once_and_are_counted() -> None:
    with harness() as recording:
        assert patient(3) == 3
    assert recording.clock.elapsed == 7200
    assert recording.run("late").states[-1] == "COMPLETED"
    assert [line.body for line in recording.run("late").logs] == [
        "attempt 1",
        "attempt 2",
        "attempt 3",
    ]


def test_harnesses_in_parallel_know_nothing_of_each_other() -> None:
    def one(until: int) -> tuple[int, float]:
        with harness() as recording:
            patient(until)
        return len(recording.runs), recording.clock.elapsed

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(one, [1, 2, 3] * 8))
    assert found == [(2, 0.0), (2, 3600.0), (2, 7200.0)] * 8


def test_a_name_that_is_not_there_says_which_are() -> None:
    with harness() as recording:
        patient(1)
    with pytest.raises(LookupError, match="the runs are: late, patient"):
        recording.run("latte")


def test_outside_of_runs_the_runtime_is_empty() -> None:
    assert (flow_run.id, flow_run.name, flow_run.parameters, flow_run.tags) == (None, None, {}, [])
    assert (task_run.id, task_run.run_count) == (None, 0)
    with pytest.raises(AttributeError, match="there are api_url"):
        _ = flow_run.nmae


def test_nothing_is_written_or_opened(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import sys\n"
        "from towpath import flow, task\n"
        "@task(persist_result=True)\n"
        "def one():\n    return 1\n"
        "@flow\n"
        "def main():\n    return one()\n"
        "def test_it(towpath_harness):\n"
        "    assert main() == 1\n"
        "    assert towpath_harness.run('one').state == 'COMPLETED'\n"
        "    assert not {'grpc', 'sqlalchemy', 'towpath_service'} & set(sys.modules)\n"
    )
    home = tmp_path / "home"
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"],
        cwd=tmp_path,
        env={"TOWPATH_HOME": str(home), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert ended.returncode == 0, ended.stdout
    assert not home.exists()


def test_what_is_stored_by_a_key_leaves_the_home_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("TOWPATH_HOME", str(home))
    for _ in range(2):
        with harness():
            store = get_result_store()
            assert not store.exists("invoice")
            store.write(1, "invoice")
            assert store.read("invoice").result == 1
            with transaction(key="payment") as paid:
                assert not paid.is_committed()
                paid.stage(2)
    assert not list(home.glob("results/**/*"))
