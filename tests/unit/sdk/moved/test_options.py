"""Options of flows and tasks: read as attributes, forms that they take, names of runs."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from towpath import flow, task
from towpath.cache_policies import DEFAULT, INPUTS, NO_CACHE
from towpath.exceptions import ReservedArgumentError
from towpath.runtime import flow_run, task_run
from towpath.tasks import exponential_backoff

from tests.unit.sdk.moved import moves

if TYPE_CHECKING:
    from towpath.testing import Harness


def hook(*_: Any) -> None:
    return None


def key(*_: Any) -> str:
    return "key"


COMMON: dict[str, Any] = {
    "name": "named",
    "description": "says",
    "version": "7",
    "retries": 2,
    "retry_delay_seconds": 5,
    "timeout_seconds": 3.0,
    "log_prints": True,
    "persist_result": True,
    "result_serializer": "pickle",
}
OF_TASKS: dict[str, Any] = {
    **COMMON,
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": key,
    "cache_policy": INPUTS,
    "cache_expiration": dt.timedelta(hours=1),
    "refresh_cache": True,
    "task_run_name": "run {a}",
}
HOOKS = ("on_completion", "on_failure", "on_running")


@moves(
    *("name", "description", "version", "retries", "retry_delay_seconds", "timeout_seconds"),
    *("log_prints", "persist_result", "result_serializer", "retry_jitter_factor"),
    *("retry_condition_fn", "cache_expiration", "refresh_cache", "task_run_name"),
    *("flow_run_name", "on_completion", "on_failure", "on_running", "tags", "with_options"),
)
def test_options_can_be_read() -> None:
    made = task(**OF_TASKS)(lambda a: a)
    assert {name: getattr(made, name) for name in OF_TASKS} == OF_TASKS
    options = {**COMMON, "flow_run_name": "run"}
    flowed = flow(**options)(lambda: None)
    assert {name: getattr(flowed, name) for name in options} == options
    hooked = flow(lambda: None, name="f", **{each: [hook] for each in HOOKS})  # type: ignore[call-overload]
    assert all(getattr(hooked, f"{each}_hooks") == [hook] for each in HOOKS)
    changed = made.with_options(retries=9)
    assert (changed.retries, changed.task_run_name, made.retries) == (9, "run {a}", 2)


def test_options_that_are_not_set_read_as_what_they_mean() -> None:
    plain = task(lambda: None)
    assert (plain.retries, plain.retry_delay_seconds, plain.timeout_seconds) == (0, 0, None)
    assert (plain.persist_result, plain.cache_policy, plain.version) == (None, DEFAULT, None)
    assert task(persist_result=False)(lambda: None).cache_policy == NO_CACHE
    assert (plain.isasync, plain.isgenerator) == (False, False)


@moves("Task.tags", "Flow.tags")
def test_tags_can_be_changed(recorded: Harness) -> None:
    @task(tags=["a"])
    def tagged() -> None:
        return None

    tagged.tags.add("b")
    tagged()
    assert recorded.run("tagged").tags == ["a", "b"]


@moves("Flow.version")
def test_a_flow_without_a_version_has_the_digest_of_its_file() -> None:
    digest = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    assert flow(lambda: None, name="f").version == digest


@pytest.mark.parametrize(
    ("given", "seconds"), [(0, None), (0.0, None), (dt.timedelta(minutes=2), 120.0), (5, 5.0)]
)
def test_timeouts_take_several_forms(given: Any, seconds: float | None) -> None:
    assert task(timeout_seconds=given)(lambda: None).timeout_seconds == seconds


@moves("tasks.exponential_backoff")
def test_delays_take_several_forms() -> None:
    def delays(given: Any) -> Any:
        return task(retries=3, retry_delay_seconds=given)(lambda: None).retry_delay_seconds

    assert delays([1, 2.5]) == [1.0, 2.5]
    assert delays(dt.timedelta(seconds=3)) == [3.0]
    assert delays(exponential_backoff(10)) == [10, 20, 40]


@pytest.mark.parametrize(
    "callable_",
    [functools.partial(pow, 2), len, Mock(return_value=3)],
    ids=["partial", "len", "mock"],
)
def test_callables_of_all_kinds_are_tasks_and_flows(callable_: Any) -> None:
    argument = [1, 2, 3] if callable_ is len else 3
    expected = {"partial": 8}.get(type(callable_).__name__, 3)
    assert task(callable_, name="t")(argument) == expected
    assert flow(callable_, name="f")(argument) == expected


@moves("exceptions.ReservedArgumentError")
def test_wrong_declarations_are_type_errors_and_value_errors() -> None:
    for wrong in ({"retries": -1}, {"on_failure": [5]}, {"task_run_name": 5}):
        with pytest.raises(TypeError):
            task(**wrong)(lambda: None)
        with pytest.raises(ValueError, match=next(iter(wrong))):
            task(**wrong)(lambda: None)
    with pytest.raises(ReservedArgumentError, match="wait_for"):
        task(lambda wait_for: wait_for)


def test_functions_that_name_runs_see_them(recorded: Harness) -> None:
    @task(task_run_name=lambda: f"{flow_run.name}/{task_run.parameters['a']}")
    def inner(a: int) -> int:
        return a

    def made(parameters: dict[str, Any]) -> str:
        return f"outer {parameters['a']} {flow_run.parameters['a']}"

    @flow(flow_run_name=made)
    def outer(a: int) -> int:
        return inner(a)

    outer(5)
    assert [run.name for run in recorded.runs] == ["outer 5 5", "outer 5 5/5"]


def test_names_of_runs_may_ask_for_the_object_of_a_method(recorded: Harness) -> None:
    class Loader:
        table = "users"

        @task(task_run_name="load {self.table} of {day}")
        def load(self, day: str) -> str:
            return day

        @flow(flow_run_name="all of {self.table}")
        def run(self) -> str:
            return self.load("monday")

    assert Loader().run() == "monday"
    assert [run.name for run in recorded.runs] == ["all of users", "load users of monday"]
