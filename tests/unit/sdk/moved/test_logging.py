"""Loggers of runs, their records, and prints."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from towpath import flow, get_run_logger, task
from towpath.context import get_run_context
from towpath.exceptions import MissingContextError
from towpath.logging import disable_run_logger, get_logger

from tests.unit.sdk.moved import moves

if TYPE_CHECKING:
    from towpath.testing import Harness


@moves("get_run_logger", "logging.get_run_logger")
def test_records_of_runs_reach_handlers_and_name_their_run(
    recorded: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    @task
    def inner() -> None:
        get_run_logger().info("within the task")

    @flow
    def outer() -> None:
        get_run_logger().info("within the flow")
        inner()

    outer()
    of_flow, of_task = [each for each in caplog.records if "within" in each.getMessage()]
    run_ids = {name: recorded.run(name).id for name in ("outer", "inner")}
    names = (
        "flow_run_id",
        "flow_run_name",
        "flow_name",
        "task_run_id",
        "task_run_name",
        "task_name",
    )
    assert [getattr(of_flow, name) for name in names] == [
        run_ids["outer"], "outer", "outer", None, None, None,
    ]  # fmt: skip
    assert [getattr(of_task, name) for name in names] == [
        run_ids["outer"], "outer", "outer", run_ids["inner"], "inner", "inner",
    ]  # fmt: skip


def test_a_logger_of_a_given_run_adds_fields(caplog: pytest.LogCaptureFixture) -> None:
    @flow
    def outer() -> None:
        get_run_logger(get_run_context(), part=3).info("found")

    outer()
    (record,) = [each for each in caplog.records if each.getMessage() == "found"]
    assert (getattr(record, "part", None), getattr(record, "flow_name", None)) == (3, "outer")


@moves("log_prints")
def test_prints_go_through_handlers_once_and_to_the_terminal(
    recorded: Harness, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    @task(log_prints=False)
    def silent() -> None:
        print("not logged")  # noqa: T201 - that is tested

    @flow
    def below() -> None:
        print("from a subflow")  # noqa: T201 - the same

    @flow(log_prints=True)
    def outer() -> None:
        print("one", 2)  # noqa: T201 - the same
        below()
        silent()

    outer()
    logged = [each.getMessage() for each in caplog.records if each.name == "towpath.runs"]
    assert logged == ["one 2", "from a subflow"]
    assert [line.body for run in recorded.runs for line in run.logs] == logged
    assert capsys.readouterr().out == "one 2\nfrom a subflow\nnot logged\n"


@moves("logging.get_logger")
def test_loggers_of_ones_own_are_below_the_products(caplog: pytest.LogCaptureFixture) -> None:
    assert get_logger().name == "towpath"
    assert get_logger("mine").name == get_logger("towpath.mine").name == "towpath.mine"
    get_logger("mine").warning("heard")
    assert "heard" in caplog.text


@moves("logging.disable_run_logger")
def test_a_disabled_run_logger_writes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    @task
    def speaks() -> int:
        get_run_logger().warning("spoken")
        return 1

    with disable_run_logger():
        assert (speaks.fn(), speaks()) == (1, 1)
    assert "spoken" not in caplog.text
    speaks()
    assert "spoken" in caplog.text
    with pytest.raises(MissingContextError):
        speaks.fn()
    assert not logging.getLogger("towpath.runs").disabled
