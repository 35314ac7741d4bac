"""Clusters of Dask: temporary ones, and those whose workers are processes, which die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dask
import psutil
import pytest
from distributed import get_worker
from towpath import flow, get_run_logger, task
from towpath._runners.dask import cluster
from towpath._runners.remote import call as remote_call
from towpath.dask import DaskTaskRunner
from towpath.exceptions import (
    ConfigurationError,
    RunCrashed,
)

from tests.conformance.conftest import cluster_in_threads
from tests.conformance.work import add, vanish_once

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from towpath.testing import Harness

pytestmark = pytest.mark.subject("engine", "runners")

IN_THREADS = {"processes": False, "dashboard_address": "127.0.0.1:0", "threads_per_worker": 1}


def _mark(folder: Path) -> None:
    with (folder / "ran").open("a") as file:
        file.write("x")


def test_annotations_of_dask_apply(recorded: Harness) -> None:
    shared = cluster_in_threads()
    places = sorted(shared.scheduler.workers)

    @flow(task_runner=DaskTaskRunner(shared))
    def annotated() -> list[str]:
        futures = []
        for place in places:
            with dask.annotate(workers=[place]):
                futures.append(_place.submit())
        return [future.result() for future in futures]

    assert annotated() == places


@task
def _place() -> str:
    return get_worker().address


def test_a_temporary_cluster_adapts_and_has_its_report_written(
    recorded: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[str] = []

    @contextmanager
    def report(filename: str) -> Iterator[None]:
        yield
        noted.append(filename)

    monkeypatch.setattr(cluster, "performance_report", report)
    runner = DaskTaskRunner(
        cluster_class="distributed.LocalCluster",
        cluster_kwargs={"n_workers": 0, **IN_THREADS},
        adapt_kwargs={"minimum": 1, "maximum": 2},
        performance_report_path=tmp_path / "report.html",
    )

    @flow(task_runner=runner)
    def adapts() -> int:
        return add.submit(1).result()

    assert adapts() == 2
    assert noted == [str(tmp_path / "report.html")]
    assert runner.duplicate() == runner


def test_arguments_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="a cluster, or an address, or"):
        DaskTaskRunner(address="tcp://127.0.0.1:1", cluster_kwargs={"n_workers": 1})


def test_a_cluster_class_that_is_not_there_is_named(recorded: Harness) -> None:
    @flow(task_runner=DaskTaskRunner(cluster_class="distributed.NoCluster"))
    def nowhere() -> None:
        return None

    with pytest.raises(ConfigurationError, match=r"'distributed\.NoCluster' can't be imported"):
        nowhere()


def test_other_runners_do_not_load_dask() -> None:
    code = "import sys, towpath.task_runners, towpath.dask; print('distributed' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"


def test_a_worker_that_dies_crashes_its_run_once_and_no_other(
    recorded: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = remote_call.BegunRuns.report

    def hear(self: Any, message: Any) -> None:
        forward(self, message)
        (tmp_path / message.method).touch()

    monkeypatch.setattr(remote_call.BegunRuns, "report", hear)

    @task
    def dies(heard: str) -> None:
        # What a worker tells in its last milliseconds is lost with it.
        while not (tmp_path / heard).exists():
            time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGKILL)

    @task
    def speaks_and_dies() -> None:
        _mark(tmp_path)
        get_run_logger().info("last words")
        dies.fn("log")

    @task
    def begins_and_dies() -> None:
        dies("create")

    @task
    def waits() -> str:
        (tmp_path / "waits").touch()
        while not (tmp_path / "released").exists():
            time.sleep(0.005)
        return "unharmed"

    runner = DaskTaskRunner(cluster_kwargs={"n_workers": 2})

    @flow(task_runner=runner, final_state="return_value")
    def survives() -> list[object]:
        sibling = waits.submit()
        while not (tmp_path / "waits").exists():
            time.sleep(0.005)
        with pytest.raises(RunCrashed, match=r"its Dask worker tcp://.* died"):
            speaks_and_dies.submit().result()
        (tmp_path / "released").touch()
        results: list[object] = [sibling.result(), add.submit(1).result()]
        results += [vanish_once.submit(tmp_path).result()]
        begins_and_dies.submit().wait()
        return results

    assert survives() == ["unharmed", 2, "back"]
    assert (tmp_path / "ran").read_text() == "x"
    assert recorded.run("speaks_and_dies").states == ["PENDING", "RUNNING", "CRASHED"]
    assert [line.body for line in recorded.run("speaks_and_dies").logs] == ["last words"]
    assert recorded.run("vanish_once").states[2:] == ["RETRYING", "RUNNING", "COMPLETED"]
    assert recorded.run("dies").states == ["RUNNING", "CRASHED"]


SCRIPT = """
import os, time
from towpath import flow, task
from towpath.dask import DaskTaskRunner

@task
def sleeps():
    print("pid", os.getpid(), flush=True)
    time.sleep(60)

@flow(task_runner=DaskTaskRunner(cluster_kwargs={"n_workers": 1}))
def main():
    sleeps.submit().result()

main()
"""


def test_a_script_needs_no_main_guard_and_its_workers_end_with_it(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    environment = {**os.environ, "TOWPATH_HOME": str(tmp_path), "TOWPATH_DISPLAY": "quiet"}
    process = subprocess.Popen(
        [sys.executable, str(script)], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    line = next(line for line in process.stdout if line.startswith("pid"))
    worker_process = psutil.Process(int(line.split()[1]))
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    psutil.wait_procs([worker_process], timeout=240)
    assert not worker_process.is_running() or worker_process.status() == psutil.STATUS_ZOMBIE
