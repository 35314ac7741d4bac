"""What is particular to Dask: workers that die, come late or differ, and what crosses the network.

The clusters have their workers in threads of this process.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from distributed import Client, LocalCluster
from towpath import flow, get_run_logger, task
from towpath._runners.dask import calls, pump, worker
from towpath._runners.remote import call as remote_call
from towpath._runners.remote import calls as remote_calls
from towpath._runners.remote.packets import Versions
from towpath._runs.context import current_run
from towpath._runs.open_runs import cancel
from towpath.dask import DaskTaskRunner
from towpath.exceptions import (
    ConfigurationError,
    ParameterError,
    RunCancelled,
    RunCrashed,
    RunError,
)
from towpath.runtime import flow_run

from tests.conformance.conftest import cluster_in_threads, runner_of
from tests.conformance.work import add, consume

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from towpath.testing import Harness

pytestmark = pytest.mark.subject("engine", "runners")

IN_THREADS = {"processes": False, "dashboard_address": "127.0.0.1:0", "threads_per_worker": 1}


@contextmanager
def workers(number: int, **options: Any) -> Generator[Any]:
    """A cluster of one test, with its workers in threads."""
    with LocalCluster(n_workers=number, **IN_THREADS, **options) as own:
        yield own


@pytest.fixture
def dask_runner() -> DaskTaskRunner:
    runner = runner_of("dask")
    assert isinstance(runner, DaskTaskRunner)
    return runner


def _mark(folder: Path) -> None:
    with (folder / "ran").open("a") as file:
        file.write("x")


def test_a_finished_task_is_not_run_again_when_its_result_is_lost(
    recorded: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @task
    def once() -> int:
        _mark(tmp_path)
        return 1

    take_up = pump.Pump._take_up

    def too_late(self: Any, futures: list[Any]) -> None:
        for future in futures:
            (places,) = self._client.who_has([future]).values()
            for place in places:
                self._client.run_on_scheduler(_remove_worker, place)
        take_up(self, futures)

    with workers(2) as own:

        @flow(task_runner=DaskTaskRunner(own), final_state="return_value")
        def loses() -> str:
            lost = once.submit()
            with pytest.raises(RunCrashed, match="lost the result"):
                lost.result()
            monkeypatch.setattr(pump.Pump, "_take_up", take_up)
            return lost.state.type.value

        monkeypatch.setattr(pump.Pump, "_take_up", too_late)
        assert loses() == "CRASHED"
    assert (tmp_path / "ran").read_text() == "x"


async def _remove_worker(address: str, dask_scheduler: Any) -> None:
    await dask_scheduler.remove_worker(address, stimulus_id="test", close=True)


def test_a_flow_ends_when_the_scheduler_is_gone(recorded: Harness, tmp_path: Path) -> None:
    place = tmp_path / "scheduler.json"
    options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show"]
    options += ["--scheduler-file", str(place)]
    scheduler = subprocess.Popen(
        [sys.executable, "-m", "distributed.cli.dask_scheduler", *options],
        stderr=subprocess.DEVNULL,
    )
    while not place.exists():
        assert scheduler.poll() is None
        time.sleep(0.01)
    address = json.loads(place.read_text())["address"]

    @flow(task_runner=DaskTaskRunner(address=address, client_kwargs={"timeout": 1}))
    def bereft() -> None:
        run = add.submit(1)
        scheduler.kill()
        with pytest.raises(RunCrashed, match="connection to the Dask scheduler was lost"):
            run.result()
        add.submit(2).result()

    try:
        with pytest.raises(RunCrashed, match=r"the Dask scheduler|the Dask cluster"):
            bereft()
    finally:
        scheduler.kill()
        scheduler.wait()
    assert {run.state for run in recorded.runs if run.kind == "task"} == {"CRASHED"}


_events: dict[str, threading.Event] = {}


def test_tasks_wait_for_workers_that_come_late(recorded: Harness) -> None:
    with workers(0) as own:

        @flow(task_runner=DaskTaskRunner(own))
        def early() -> int:
            future = add.submit(1)
            own.scale(1)
            return future.result()

        assert early() == 2


def test_what_the_cluster_holds_does_not_grow_with_a_map(recorded: Harness) -> None:
    shared = cluster_in_threads()
    held = _held
    held.clear()

    @flow(task_runner=DaskTaskRunner(shared, max_workers=4))
    def many() -> None:
        _count_held.map(range(200)).wait()

    many()
    assert len(held) == 200
    # Those under way, and those whose release is on its way.
    assert max(held) < 50
    assert not any(key.startswith("towpath-") for key in shared.scheduler.tasks)
    topics = shared.scheduler.get_events()
    assert not [name for name, events in topics.items() if name.startswith("towpath-") and events]


_held: list[int] = []


@task
def _count_held(_: int) -> None:
    _held.append(len(cluster_in_threads().scheduler.tasks))


def test_cancellation_reaches_the_functions_on_the_workers(
    recorded: Harness, dask_runner: DaskTaskRunner
) -> None:
    began, ended = threading.Event(), threading.Event()
    _events.update(began=began, ended=ended)

    @flow(task_runner=dask_runner)
    def cancelled() -> None:
        run = _last_long.submit()
        began.wait()
        cancel(flow_run.id, "enough")
        run.result()

    with pytest.raises(RunCancelled):
        cancelled()
    assert ended.wait(60)
    assert recorded.run("_last_long").state == "CANCELLED"
    assert recorded.run("_last_long").message.startswith("stopped")


@task
def _last_long() -> None:
    try:
        _events["began"].set()
        while True:
            threading.Event().wait(0.001)
    finally:
        _events["ended"].set()


def test_log_lines_arrive_while_a_task_runs(recorded: Harness, dask_runner: DaskTaskRunner) -> None:
    heard = _events["heard"] = threading.Event()
    forward = remote_call.BegunRuns.report

    def hear(self: Any, message: Any) -> None:
        forward(self, message)
        heard.set()

    @flow(task_runner=dask_runner)
    def listens() -> bool:
        return _log_and_wait.submit().result()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(remote_call.BegunRuns, "report", hear)
        assert listens()
    assert [line.body for line in recorded.run("_log_and_wait").logs] == ["on the way"]


@task
def _log_and_wait() -> bool:
    get_run_logger().info("on the way")
    return _events["heard"].wait(60)


def test_reports_that_are_behind_their_answer_are_waited_for(
    recorded: Harness, dask_runner: DaskTaskRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = threading.Event()
    hear, answer = calls.Calls._hear, pump.Pump._answer

    def hear_late(self: Any, event: Any) -> None:
        if isinstance(event[1][1], bytes):
            threading.Thread(target=lambda: (answered.wait(60), hear(self, event))).start()
        else:
            hear(self, event)

    def answer_first(self: Any, future: Any, outcome: Any) -> None:
        answer(self, future, outcome)
        answered.set()

    monkeypatch.setattr(calls.Calls, "_hear", hear_late)
    monkeypatch.setattr(pump.Pump, "_answer", answer_first)

    @flow(task_runner=dask_runner)
    def late() -> None:
        _log_once.submit()

    late()
    assert [line.body for line in recorded.run("_log_once").logs] == ["behind"]


@task
def _log_once() -> None:
    get_run_logger().info("behind")


def test_a_worker_of_another_version_is_named(
    recorded: Harness, dask_runner: DaskTaskRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_calls, "versions", lambda: Versions("0.0.1", "3.99", "3.0"))

    @flow(task_runner=dask_runner)
    def differs() -> None:
        add.submit(1).result()

    with pytest.raises(ConfigurationError, match=r"worker inproc://.* Python 3\.99, cloudpickle"):
        differs()


def test_a_worker_without_towpath_is_explained(
    recorded: Harness, dask_runner: DaskTaskRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump, "perform_call", _fail_to_load)

    @flow(task_runner=dask_runner)
    def lacks() -> None:
        add.submit(1).result()

    with pytest.raises(RunError, match=r"No module named 'towpath'\. Install Towpath"):
        lacks()


def _fail_to_load(_: bytes) -> None:
    raise ModuleNotFoundError("No module named 'towpath'")


def test_sensitive_values_in_plain_text_are_warned_of_once(
    recorded: Harness,
    dask_runner: DaskTaskRunner,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(calls, "_PRIVATE_SCHEMES", ())

    @flow(task_runner=dask_runner)
    def sends(secret: bool) -> None:
        if secret:
            current_run.get().secrets.add_texts(["hunter2hunter2"])
        add.map([1, 2]).wait()

    with caplog.at_level(logging.WARNING, "towpath.runners"):
        sends(secret=False)
        assert not caplog.records
        sends(secret=True)
    (record,) = caplog.records
    assert record.getMessage().startswith("sends sends sensitive values to inproc://")


def test_a_scheduler_that_takes_no_plugins_is_warned_of(
    recorded: Harness,
    dask_runner: DaskTaskRunner,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("disallowed")

    monkeypatch.setattr(Client, "register_plugin", refuse)

    @flow(task_runner=dask_runner)
    def goes_on() -> int:
        return add.submit(1).result()

    with caplog.at_level(logging.WARNING, "towpath.runners"):
        assert goes_on() == 2
    assert "Dask runs its tasks again, without a retry of theirs" in caplog.text


def test_a_large_result_is_warned_of_once(
    recorded: Harness,
    dask_runner: DaskTaskRunner,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(remote_calls, "_LARGE_BYTES", 1000)

    @flow(task_runner=dask_runner)
    def large() -> None:
        consume.map(["x" * 10_000] * 2).wait()

    with caplog.at_level(logging.WARNING, "towpath.runners"):
        large()
    assert caplog.text.count("write large data where workers can read it") == 1


def test_a_large_function_is_sent_again_only_to_workers_that_lack_it(
    recorded: Harness, dask_runner: DaskTaskRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_calls, "_MOST_SMALL_BYTES", 0)
    sent: list[bool] = []
    submit = pump.Pump._map

    def note(self: Any, group: list[remote_call.Call]) -> None:
        sent.extend(call.packet.task is not None for call in group)
        submit(self, group)

    monkeypatch.setattr(pump.Pump, "_map", note)

    @flow(task_runner=dask_runner)
    def repeats() -> list[int]:
        results = [add.submit(1).result(), add.submit(2).result()]
        worker._tasks.tasks.clear()  # As a worker that comes late.
        return [*results, add.submit(3).result()]

    assert repeats() == [2, 3, 4]
    assert sent == [True, False, False, True]


@pytest.mark.parametrize("name", ["processes", "dask"])
def test_hooks_and_conditions_need_not_be_sent(name: str, recorded: Harness) -> None:
    lock, seen = threading.Lock(), []

    def note(*_: object) -> bool:
        with lock:
            seen.append(1)
        return False

    watched = add.with_options(on_completion=[note], retries=1, retry_condition_fn=note)

    @flow(task_runner=runner_of(name))
    def hooked() -> int:
        return watched.submit(1).result()

    assert hooked() == 2
    assert seen == [1]


def test_an_argument_that_can_not_be_sent_is_named(
    recorded: Harness, dask_runner: DaskTaskRunner
) -> None:
    @flow(task_runner=dask_runner)
    def sends() -> None:
        consume.submit(threading.Lock()).result()

    with pytest.raises(ParameterError, match="parameter 'value', a lock, can't be sent"):
        sends()
