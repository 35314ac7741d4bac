"""Runs of flows and tasks that fail, and methods as flows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from towpath import flow, task
from towpath.exceptions import (
    DefinitionError,
    FlowRunFailed,
    UpstreamFailed,
)

from tests.unit.sdk.engine.work import consume, fail

if TYPE_CHECKING:
    from collections.abc import Iterator

    from towpath.task_runners import TaskRunner

    from tests.unit.sdk.recording import RecordingReporter


def test_a_flow_that_raises_leaves_no_run_unfinished(
    reporter: RecordingReporter, runner: TaskRunner
) -> None:
    @task
    def slow() -> int:
        time.sleep(0.02)
        return 1

    @flow(task_runner=runner)
    def raises() -> None:
        consume.submit(consume.submit(slow.submit()))
        raise RuntimeError("in the flow itself")

    with pytest.raises(RuntimeError, match="itself"):
        raises()
    assert all(states[-1].state.terminal for states in reporter.states.values())


def test_a_failure_begun_inside_a_task_counts_for_the_flow(reporter: RecordingReporter) -> None:
    @task
    def nested() -> None:
        fail.submit()

    @flow
    def around() -> None:
        nested()

    with pytest.raises(FlowRunFailed, match="1 failed"):
        around()


def test_hooks_and_conditions_that_raise_change_no_state(reporter: RecordingReporter) -> None:
    def raising(*_: object) -> bool:
        raise KeyError("hook")

    @task(on_completion=[raising])
    def fine() -> int:
        return 1

    @task(retries=1, retry_condition_fn=raising)
    def broken() -> None:
        raise ValueError("original")

    @flow
    def hooked() -> int:
        with pytest.raises(ValueError, match="original"):
            broken()
        return fine()

    assert hooked() == 1
    assert reporter.history("broken") == ["RUNNING", "FAILED"]


def test_methods_can_be_flows(reporter: RecordingReporter) -> None:
    class Pipeline:
        base = 40

        @flow
        def run(self, more: int) -> int:
            return self.base + more

    assert Pipeline().run(2) == 42


def test_stack_traces_show_the_users_lines_only(reporter: RecordingReporter) -> None:
    @flow
    def shows() -> None:
        consume.submit(fail.submit("deep")).result()

    with pytest.raises(UpstreamFailed):
        shows()
    failure = reporter.last("shows").failure
    assert failure is not None
    assert "in fail" in failure.stack_trace
    assert "in shows" in failure.stack_trace
    assert "_engine" not in failure.stack_trace
    assert failure.cause is not None
    assert failure.cause.message == "deep"


def test_annotations_that_only_checkers_know_are_told_of(reporter: RecordingReporter) -> None:
    @flow
    def returns() -> Iterator[int]:  # not needed to check arguments
        return iter(())

    @flow
    def takes(items: Iterator[int]) -> None: ...

    assert list(returns()) == []
    with pytest.raises(DefinitionError, match=r"'items'.*TYPE_CHECKING.*validate_parameters=False"):
        takes([])
    takes.with_options(validate_parameters=False)([])
