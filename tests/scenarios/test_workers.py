"""Deployed flows, executed by a real worker at a real server."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from towpath._settings.current import get_settings
from towpath._state_type import StateType
from towpath._transport.opening import open_grpc
from towpath.client import Client, DeploymentSpec

from tests.scenarios.conftest import on_both_databases
from tests.scenarios.servers import Server, environment, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from towpath.client import Run, Transition

pytestmark = pytest.mark.subject("work")

FLOWS = """
import signal, time
from pathlib import Path
from towpath import flow, task

@task
def double(number: int) -> int:
    return 2 * number

@flow
def completes(number: int) -> int:
    return double(number)

@flow
def fails() -> None:
    raise ValueError("no such day")

@flow
def waits(place: str) -> str:
    folder = Path(place)
    (folder / "begun").touch()
    while not (folder / "go").exists():
        time.sleep(0.02)
    return "went"

@flow
def stubborn(place: str) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    (Path(place) / "begun").touch()
    while True:
        try:
            time.sleep(0.02)
        except BaseException:
            pass
"""


class Site:
    """A server, a folder with flows, and a worker that executes them."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.folder = server.home / "project"
        self.folder.mkdir()
        (self.folder / "flows.py").write_text(FLOWS)
        (self.folder / "broken.py").write_text(
            "from towpath import flow\n\nimport nothing_like_it\n"
        )
        self.workers: list[subprocess.Popen[bytes]] = []
        settings = get_settings().__class__(home=server.home)
        self.transport = open_grpc(settings, server.address)
        self.client = Client(self.transport)
        self.client.pools.create("local", kind="process", job_template={"stop_seconds": 0.2})

    @property
    def log(self) -> str:
        return (self.server.home / "worker.log").read_text(encoding="utf-8")

    def start_worker(self) -> None:
        lives = self.log.count("is attached") if self.workers else 0
        with (self.server.home / "worker.log").open("ab") as log:
            self.workers.append(
                subprocess.Popen(
                    [sys.executable, "-m", "towpath", "worker", "start", "--pool", "local"],
                    cwd=self.folder,
                    env=environment(self.server.home, TOWPATH_SERVER_ADDRESS=self.server.address),
                    stdout=log,
                    stderr=log,
                )
            )
        wait_until(lambda: self.log.count("is attached") > lives, "the worker is attached")

    def deploy(self, flow: str, *, file: str = "flows.py", **options: Any) -> None:
        spec = DeploymentSpec(entrypoint=f"{file}:{flow}", flow_name=flow, pool="local", **options)
        self.client.deployments.deploy(f"{flow}/it", spec)

    def begin(self, flow: str, **parameters: Any) -> str:
        return self.client.create_run(f"{flow}/it", parameters=parameters).id

    def ended(self, run_id: str) -> Run:
        wait_until(lambda: self.client.run(run_id).state.terminal, f"run {run_id} ends")
        return self.client.run(run_id)

    def last(self, run_id: str) -> Transition:
        return list(self.client.transitions(run_id))[-1]

    def pid_of(self, run_id: str) -> int:
        marker = f"run {run_id} has process "
        wait_until(lambda: marker in self.log, f"the worker says that run {run_id} has a process")
        return int(self.log.partition(marker)[2].split()[0])

    def close(self) -> None:
        self.transport.close()
        for worker in self.workers:
            if worker.poll() is None:
                worker.kill()
            worker.wait()
        for folder in (self.server.home / "work").glob("*/shim.json"):
            # Of a test that failed half-way: no shim outlives it.
            with contextlib.suppress(OSError, ValueError, KeyError):
                if not (folder.parent / "exit.json").exists():
                    os.kill(json.loads(folder.read_text())["pid"], signal.SIGTERM)


@pytest.fixture
def site(make_server: Any) -> Iterator[Site]:
    server = make_server()
    server.start()
    with closing(Site(server)) as made:
        made.start_worker()
        yield made


def wait_for(file: Path) -> None:
    wait_until(file.exists, f"{file.name} is there")


@on_both_databases
def test_deployed_flows_are_executed_and_ended_with_what_came_of_them(site: Site) -> None:
    site.deploy("completes")
    site.deploy("fails")
    site.deploy("missing", file="broken.py")
    begun = {
        name: site.begin(name, **parameters)
        for name, parameters in (("completes", {"number": 21}), ("fails", {}), ("missing", {}))
    }

    completed = site.ended(begun["completes"])
    assert completed.state is StateType.COMPLETED
    failed = site.ended(begun["fails"])
    assert failed.state is StateType.FAILED
    assert "no such day" in site.last(failed.id).message
    missing = site.ended(begun["missing"])
    assert (missing.state, missing.reason) == (StateType.CRASHED, "START_FAILED")
    failure = site.last(missing.id).failure
    assert failure is not None
    assert "broken.py" in failure.message
    assert "nothing_like_it" in failure.message
    # The service knows each end, so no later worker takes a run over again.
    wait_until(
        lambda: len(list((site.server.home / "work").glob("*/acknowledged"))) == len(begun),
        "each end is acknowledged",
    )


def test_a_run_that_ignores_all_requests_is_killed_and_cancelled_with_evidence(
    site: Site, tmp_path: Path
) -> None:
    site.deploy("stubborn")
    run_id = site.begin("stubborn", place=str(tmp_path))
    wait_for(tmp_path / "begun")
    pid = site.pid_of(run_id)
    site.client.cancel(run_id, grace_seconds=0.2)
    assert site.ended(run_id).state is StateType.CANCELLED
    last = site.last(run_id)
    assert "killed (SIGKILL" in last.message
    assert f"pid {pid} on " in last.message
    assert "0 children left" in last.message
    assert not (Path("/proc") / str(pid)).exists()


def test_a_run_outlives_its_worker_and_the_next_one_takes_it_over(
    site: Site, tmp_path: Path
) -> None:
    site.deploy("waits")
    run_id = site.begin("waits", place=str(tmp_path))
    wait_for(tmp_path / "begun")
    site.pid_of(run_id)
    site.workers[-1].kill()
    site.workers[-1].wait()
    site.start_worker()
    wait_until(lambda: "of an earlier worker" in site.log, "the run is adopted")
    (tmp_path / "go").touch()
    assert site.ended(run_id).state is StateType.COMPLETED
    assert [item.after for item in site.client.transitions(run_id)].count(StateType.RUNNING) == 1
    wait_until(
        lambda: bool(list((site.server.home / "work").glob("*/acknowledged"))),
        "the end is acknowledged",
    )


def test_a_killed_run_has_crashed_with_evidence(site: Site, tmp_path: Path) -> None:
    site.deploy("waits")
    run_id = site.begin("waits", place=str(tmp_path))
    wait_for(tmp_path / "begun")
    pid = site.pid_of(run_id)
    os.kill(pid, signal.SIGKILL)
    assert site.ended(run_id).state is StateType.CRASHED
    assert f"pid {pid} on " in site.last(run_id).message


@on_both_databases
def test_a_run_outlives_its_server(site: Site, tmp_path: Path) -> None:
    site.deploy("waits")
    run_id = site.begin("waits", place=str(tmp_path))
    wait_for(tmp_path / "begun")
    site.server.restart()
    (tmp_path / "go").touch()
    ended = site.ended(run_id)
    assert ended.state is StateType.COMPLETED, list(site.client.transitions(run_id))
    wait_until(
        lambda: bool(list((site.server.home / "work").glob("*/acknowledged"))),
        "the worker has told the end",
    )
    assert site.workers[-1].poll() is None


def test_a_worker_that_is_told_to_stop_leaves_what_goes_on(site: Site, tmp_path: Path) -> None:
    site.deploy("waits")
    run_id = site.begin("waits", place=str(tmp_path))
    wait_for(tmp_path / "begun")
    worker = site.workers[-1]
    worker.terminate()
    wait_until(lambda: "told to stop" in site.log, "the worker drains")
    (tmp_path / "go").touch()
    assert worker.wait(60) == 0
    assert site.ended(run_id).state is StateType.COMPLETED
