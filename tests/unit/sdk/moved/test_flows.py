"""Subflows of a flow that is tried again, task runners, futures and settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from towpath import flow, task
from towpath.cache_policies import INPUTS
from towpath.futures import PrefectFuture, PrefectFutureList, as_completed, wait
from towpath.task_runners import InlineTaskRunner, ProcessPoolTaskRunner, ThreadPoolTaskRunner

from tests.unit.sdk.moved import moves

if TYPE_CHECKING:
    from towpath.testing import Harness


@task
def square(number: int) -> int:
    return number * number


def counted(*, persist: bool, change: bool = False) -> list[int]:
    """The calls of a subflow's code, of a flow that is tried twice."""
    calls: list[int] = []
    attempts = 0

    @flow(persist_result=persist)
    def below(number: int) -> int:
        calls.append(number)
        return number * 10

    @flow(retries=1)
    def around() -> list[int]:
        nonlocal attempts
        attempts += 1
        results = [below(1), below(attempts if change else 2)]
        if attempts == 1:
            raise OSError
        return results

    assert around() == [10, 20]
    return calls


def test_completed_subflows_with_kept_results_dont_run_again(recorded: Harness) -> None:
    assert counted(persist=True) == [1, 2]
    below = [run for run in recorded.runs if run.flow_name == "below"]
    assert [run.reason for run in below] == ["", "", "CACHED", "CACHED"]


def test_subflows_without_kept_results_or_with_other_arguments_run_again() -> None:
    assert counted(persist=False) == [1, 2, 1, 2]
    assert counted(persist=True, change=True) == [1, 1, 2]


@moves("TaskRunner.submit", "TaskRunner.map", "TaskRunner.duplicate", "task_runner")
def test_a_runner_of_its_own_takes_tasks_within_a_flow() -> None:
    @flow(task_runner=InlineTaskRunner())
    def run() -> list[Any]:
        with ThreadPoolTaskRunner(max_workers=2) as runner:
            first = runner.submit(square, {"number": 3})
            rest = runner.map(square, {"number": [1, 2]}, wait_for=[first])
            return [first.result(), rest.result(), square.submit(5).result()]

    assert run() == [9, [1, 4], 25]


@moves("task_runners.ThreadPoolTaskRunner", "task_runners.ProcessPoolTaskRunner")
def test_runners_are_equal_by_kind_and_options() -> None:
    assert ThreadPoolTaskRunner(3) == ThreadPoolTaskRunner(max_workers=3)
    assert ThreadPoolTaskRunner(3) != ThreadPoolTaskRunner(4)
    assert ThreadPoolTaskRunner(3) != ProcessPoolTaskRunner(3)
    assert ThreadPoolTaskRunner(3).duplicate() == ThreadPoolTaskRunner(3)
    assert ThreadPoolTaskRunner(3).name == "threadpool"


def test_a_runner_is_entered_once() -> None:
    with ThreadPoolTaskRunner() as runner, pytest.raises(RuntimeError, match="entered"):
        runner.__enter__()


@moves(
    *("futures.wait", "futures.as_completed", "futures.PrefectFuture", "PrefectFuture.state"),
    *("futures.PrefectFutureList", "PrefectFuture.result", "PrefectFuture.wait"),
    *("PrefectFuture.add_done_callback", "PrefectFuture.task_run_id", "PrefectFutureList.wait"),
)
def test_futures_are_waited_for_and_called_back(recorded: Harness) -> None:
    called: list[Any] = []

    @flow
    def run() -> list[Any]:
        futures = square.map([1, 2, 3])
        assert isinstance(futures, PrefectFutureList)
        futures[0].add_done_callback(called.append)
        done, not_done = wait(futures, timeout=60)
        assert (done, not_done) == (set(futures), set())
        assert all(isinstance(each, PrefectFuture) for each in as_completed(futures, timeout=60))
        assert futures[0].state.is_completed()
        assert futures[0].task_run_id == recorded.run("square[0]").id
        futures[0].wait()
        futures.wait()
        return [futures[0].result(), futures.result()]

    assert run() == [1, [1, 4, 9]]
    assert [future.result() for future in called] == [1]


def test_settings_are_the_defaults_of_options(
    monkeypatch: pytest.MonkeyPatch, recorded: Harness
) -> None:
    monkeypatch.setenv("TOWPATH_TASK_RETRIES", "2")
    monkeypatch.setenv("TOWPATH_TASK_RETRY_DELAY_SECONDS", "5")
    monkeypatch.setenv("TOWPATH_FLOW_RETRIES", "1")
    monkeypatch.setenv("TOWPATH_LOG_PRINTS", "true")
    attempts: list[str] = []

    @task
    def fails() -> None:
        attempts.append("task")
        raise OSError

    @task(retries=0)
    def fails_once() -> None:
        attempts.append("once")
        raise OSError

    @flow
    def run() -> None:
        print("seen")  # noqa: T201 - that it is logged is tested
        fails_once(return_state=True)
        fails()

    assert (fails.retries, fails_once.retries, run.retries) == (2, 0, 1)
    assert fails.retry_delay_seconds == 5
    with pytest.raises(OSError):  # noqa: PT011 - it has no text
        run()
    assert attempts == ["once", "task", "task", "task"] * 2
    assert [line.body for line in recorded.run("run").logs if line.logger == "stdout"] == [
        "seen"
    ] * 2


@pytest.mark.parametrize(("cache", "computed"), [("on", 1), ("off", 2), ("refresh", 2)])
def test_a_setting_turns_caching_off_or_refreshes_it(
    cache: str, computed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    @task(cache_policy=INPUTS)
    def kept(number: int) -> int:
        calls.append(number)
        return number

    monkeypatch.setenv("TOWPATH_RESULTS_CACHE", cache)
    kept(1)
    kept(1)
    assert len(calls) == computed
    monkeypatch.setenv("TOWPATH_RESULTS_CACHE", "on")
    kept(1)
    assert len(calls) == computed + (cache == "off")


def test_settings_choose_the_task_runner_and_its_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = flow(lambda: None, name="plain")
    assert plain.task_runner == ThreadPoolTaskRunner()
    assert ThreadPoolTaskRunner().max_workers == 16
    monkeypatch.setenv("TOWPATH_TASK_MAX_WORKERS", "3")
    assert [ThreadPoolTaskRunner().max_workers, ThreadPoolTaskRunner(5).max_workers] == [3, 5]
    assert ProcessPoolTaskRunner().max_workers == 3
    monkeypatch.setenv("TOWPATH_TASK_RUNNER", "inline")
    assert isinstance(plain.task_runner, InlineTaskRunner)
    monkeypatch.setenv("TOWPATH_TASK_RUNNER", "processes")
    assert isinstance(plain.task_runner, ProcessPoolTaskRunner)


def test_kept_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWPATH_RESULTS_PERSIST", "true")
    calls: list[int] = []

    @task
    def once(number: int) -> int:
        calls.append(number)
        return number

    @flow
    def run() -> None:
        once(1)
        once(1)

    run()
    assert calls == [1]
