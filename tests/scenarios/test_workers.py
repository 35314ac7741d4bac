"""Deployed flows, executed by a real worker at a real server."""

from __future__ import annotations

import os
import signal
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from towpath._state_type import StateType

from tests.scenarios.clients import Client, init_auth
from tests.scenarios.conftest import on_both_databases
from tests.scenarios.servers import Server, wait_until
from tests.scenarios.work_sites import Site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.subject("work")


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
    assert not Path(f"/proc/{pid}").exists()


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
    told = [line.body for line in site.client.logs(run_id) if line.logger == "towpath.output"]
    assert told == ["first it waits", "then it goes"]


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


def test_a_crashed_run_is_tried_again_as_often_as_its_deployment_says(
    site: Site, tmp_path: Path
) -> None:
    site.deploy("crashes_once", max_crash_retries=1)
    run_id = site.begin("crashes_once", place=str(tmp_path))
    assert site.ended(run_id).state is StateType.COMPLETED
    assert (tmp_path / "attempts").read_text() == "xx"
    path = [(item.after, item.attempt) for item in site.client.transitions(run_id)]
    assert (StateType.CRASHED, 1) in path
    assert path[-1] == (StateType.COMPLETED, 2)


def test_a_run_that_holds_the_interpreter_longer_than_its_lease_lives(
    make_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = make_server()
    server.start()
    with closing(Site(server)) as site:
        site.client.pools.update("local", lease_duration=timedelta(seconds=5))
        site.start_worker()
        site.deploy("holds_the_lock")
        run_id = site.begin("holds_the_lock", place=str(tmp_path))
        assert site.ended(run_id).state is StateType.COMPLETED


def test_with_identity_a_killed_run_is_reported_with_its_own_token(
    make_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = make_server()
    key = init_auth(server.home)
    server.start()
    owner = Client(
        tmp_path / "owner", {"TOWPATH_SERVER_ADDRESS": server.address, "TOWPATH_API_KEY": key}
    )
    owner.says("service-account", "create", "w", "--role", "worker")
    worker_key = owner.says("key", "create", "--for", "w")
    with closing(Site(server, key=key, worker_key=worker_key)) as site:
        site.start_worker()
        site.deploy("completes")
        completed = site.ended(site.begin("completes", number=21))
        assert completed.state is StateType.COMPLETED
        site.deploy("reports_and_waits")
        run_id = site.begin("reports_and_waits", place=str(tmp_path))
        wait_for(tmp_path / "begun")
        pid = site.pid_of(run_id)
        # The service doesn't hear of the task before the process is gone.
        os.kill(site.server.pid, signal.SIGSTOP)
        (tmp_path / "go").touch()
        wait_for(tmp_path / "reported")
        os.kill(pid, signal.SIGKILL)
        os.kill(site.server.pid, signal.SIGCONT)
        ended = site.ended(run_id)
        assert (ended.state, ended.reason) == (StateType.CRASHED, "PROCESS_KILLED")
        assert f"pid {pid} on " in site.last(run_id).message
        [child] = site.client.runs(filter_=f'parent_run = "{run_id}"')
        assert child.state is StateType.COMPLETED
        wait_until(lambda: not list((server.home / "outbox").glob("*/*")), "nothing waits")
