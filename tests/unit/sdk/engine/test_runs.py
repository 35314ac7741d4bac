from __future__ import annotations

import asyncio
import logging
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from towpath import allow_failure, flow, get_run_logger, tags, task, unmapped
from towpath._delivery.session import use_reporter
from towpath.exceptions import (
    DefinitionError,
    FlowRunFailed,
    MissingContextError,
    ParameterError,
    RunTimedOut,
    UpstreamFailed,
)
from towpath.task_runners import InlineTaskRunner, TaskRunner, ThreadPoolTaskRunner

from tests.budgets import examples
from tests.unit.sdk.engine.work import add, consume, fail
from tests.unit.sdk.recording import RecordingReporter


def test_a_called_task_is_reported_as_running_then_completed(reporter: RecordingReporter) -> None:
    @flow
    def simple() -> int:
        return add(1, 2)

    assert simple() == 3
    assert reporter.history("simple") == ["RUNNING", "COMPLETED"]
    assert reporter.history("add") == ["RUNNING", "COMPLETED"]


def test_a_submitted_task_waits_then_runs(reporter: RecordingReporter, runner: TaskRunner) -> None:
    @flow(task_runner=runner)
    def chain() -> int:
        first = add.submit(1)
        return consume.submit({"deep": [first]}).result()["deep"][0]

    assert chain() == 2
    assert reporter.history("add") == ["PENDING", "RUNNING", "COMPLETED"]


def test_what_is_downstream_of_a_failure_never_runs(
    reporter: RecordingReporter, runner: TaskRunner
) -> None:
    ran: list[object] = []

    @task
    def witness(value: object) -> None:
        ran.append(value)

    @flow(task_runner=runner)
    def broken() -> None:
        witness.submit(consume.submit(fail.submit()))

    with pytest.raises(FlowRunFailed, match="1 failed, 2 not run"):
        broken()
    assert ran == []
    last = reporter.last("witness")
    assert (last.state.value, last.reason) == ("SKIPPED", "UPSTREAM_FAILED")
    assert "fail failed (ValueError: boom)" in last.message


@settings(max_examples=examples(40), deadline=None)
@given(st.data())
def test_no_body_of_a_random_graph_runs_below_a_failure(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 15))
    edges = [
        data.draw(st.sets(st.integers(0, node - 1), max_size=3)) if node else set()
        for node in range(size)
    ]
    failing = data.draw(st.sets(st.integers(0, size - 1), max_size=3))
    ran: set[int] = set()

    @task
    def node(number: int, upstream: list[object]) -> int:
        ran.add(number)
        if number in failing:
            raise RuntimeError("planned")
        return number

    @flow(final_state="return_value")
    def graph() -> None:
        futures: list[object] = []
        for number in range(size):
            futures.append(node.submit(number, [futures[edge] for edge in edges[number]]))

    with use_reporter(RecordingReporter()):
        graph()
    blocked: set[int] = set()
    for number in range(size):
        if edges[number] & (blocked | failing):
            blocked.add(number)
    assert ran == set(range(size)) - blocked


def test_a_flow_that_catches_the_failure_completes(reporter: RecordingReporter) -> None:
    @flow
    def handles() -> str:
        try:
            fail()
        except ValueError:
            return "handled"
        return "not reached"

    assert handles() == "handled"
    assert reporter.history("handles") == ["RUNNING", "COMPLETED"]


def test_asking_for_the_state_handles_the_failure(reporter: RecordingReporter) -> None:
    @flow
    def asks() -> bool:
        future = fail.submit()
        return isinstance(future.result(raise_on_failure=False), ValueError)

    assert asks() is True


def test_allow_failure_hands_the_exception_on(reporter: RecordingReporter) -> None:
    @flow
    def tolerant() -> object:
        return consume.submit(allow_failure(fail.submit())).result()

    assert isinstance(tolerant(), ValueError)


def test_a_skipped_task_raises_what_it_was_skipped_for(reporter: RecordingReporter) -> None:
    @flow
    def looks() -> str:
        try:
            consume.submit(fail.submit()).result()
        except UpstreamFailed as error:
            return str(error)
        return ""

    assert "fail failed" in looks()


def test_retries_end_in_success_with_the_attempt_counted(reporter: RecordingReporter) -> None:
    calls: list[int] = []

    @task(retries=2, retry_delay_seconds=[0.001, 0.002])
    def flaky() -> int:
        calls.append(1)
        if len(calls) < 3:
            raise ConnectionError("away")
        return len(calls)

    @flow
    def keeps_trying() -> int:
        return flaky()

    assert keeps_trying() == 3
    assert reporter.history("flaky") == [
        *("RUNNING", "RETRYING", "RUNNING", "RETRYING", "RUNNING", "COMPLETED")
    ]
    assert reporter.last("flaky").attempt == 3


def test_a_retry_condition_can_refuse(reporter: RecordingReporter) -> None:
    @task(retries=5, retry_condition_fn=lambda *_: False)
    def hopeless() -> None:
        raise ValueError("no")

    @flow
    def tries_once() -> None:
        hopeless()

    with pytest.raises(ValueError, match="no"):
        tries_once()
    assert reporter.history("hopeless") == ["RUNNING", "FAILED"]


def test_a_task_over_its_time_is_stopped(reporter: RecordingReporter) -> None:
    @task(timeout_seconds=0.05)
    def slow() -> None:
        while True:
            time.sleep(0.001)

    @flow
    def impatient() -> None:
        slow()

    with pytest.raises(RunTimedOut, match=r"0\.05 s"):
        impatient()
    assert reporter.history("slow") == ["RUNNING", "TIMED_OUT"]


def test_async_flows_and_tasks_run_and_time_out(reporter: RecordingReporter) -> None:
    @task
    async def double(value: int) -> int:
        await asyncio.sleep(0)
        return value * 2

    @task(timeout_seconds=0.01)
    async def stuck() -> None:
        await asyncio.Event().wait()

    @flow
    async def numbers() -> int:
        try:
            await stuck()
        except RunTimedOut:
            return await double(21)
        return 0

    assert asyncio.run(numbers()) == 42
    assert reporter.history("stuck") == ["RUNNING", "TIMED_OUT"]


def test_map_runs_each_item_and_keeps_order(
    reporter: RecordingReporter, runner: TaskRunner
) -> None:
    @flow(task_runner=runner)
    def mapped() -> list[int]:
        return add.map([1, 2, 3], unmapped(10)).result()

    assert mapped() == [11, 12, 13]
    assert reporter.history("add[2]") == ["PENDING", "RUNNING", "COMPLETED"]


def test_map_of_different_lengths_is_refused(reporter: RecordingReporter) -> None:
    @flow
    def uneven() -> None:
        add.map([1, 2], [1])

    with pytest.raises(ParameterError, match="lengths differ"):
        uneven()


def test_a_long_chain_of_skips_does_not_nest(reporter: RecordingReporter) -> None:
    @flow(task_runner=InlineTaskRunner())
    def long() -> None:
        future = fail.submit()
        for _ in range(3000):
            future = consume.submit(future)

    with pytest.raises(FlowRunFailed, match="1 failed, 3000 not run"):
        long()


def test_one_worker_is_enough_for_any_graph(reporter: RecordingReporter) -> None:
    @flow(task_runner=ThreadPoolTaskRunner(max_workers=1))
    def narrow() -> int:
        future = add.submit(0)
        for _ in range(20):
            future = add.submit(future)
        return future.result()

    assert narrow() == 21


def test_wrong_arguments_name_the_parameter_before_anything_runs(
    reporter: RecordingReporter,
) -> None:
    @flow
    def typed(count: int) -> int:
        return count

    assert typed("3") == 3
    reporter.runs.clear()
    with pytest.raises(ParameterError, match=r"flow 'typed'.*'count'.*valid integer.*'many'"):
        typed("many")
    with pytest.raises(ParameterError, match="missing a required argument"):
        typed()
    assert reporter.runs == {}


def test_unknown_options_are_refused_with_a_suggestion() -> None:
    with pytest.raises(DefinitionError, match="did you mean 'retries'"):
        task(retrys=3)(lambda: None)


def test_submitting_outside_a_flow_says_what_to_do() -> None:
    with pytest.raises(MissingContextError, match="@flow"):
        add.submit(1)
    with pytest.raises(MissingContextError, match="logging"):
        get_run_logger()


def test_subflows_tags_names_hooks_and_logs_are_recorded(reporter: RecordingReporter) -> None:
    seen: list[str] = []

    @task(task_run_name="load-{which}", tags=["io"])
    def load(which: str) -> str:
        get_run_logger().warning("loading %s", which)
        return which

    @flow
    def inner() -> str:
        return load("a")

    @flow(flow_run_name="day-{day}")
    def outer(day: int) -> str:
        with tags("nightly"):
            return inner()

    @outer.on_completion
    def note(_flow: object, _run: object, state: object) -> None:
        seen.append("completed")

    assert outer(7) == "a"
    runs = {run.display_name: run for run in reporter.runs.values()}
    assert set(runs) == {"day-7", "inner", "load-a"}
    assert runs["load-a"].parent_run_id == runs["inner"].run_id
    assert runs["load-a"].root_run_id == runs["day-7"].run_id
    assert list(runs["load-a"].tags) == ["io", "nightly"]
    assert [line.body for line in reporter.lines] == ["loading a"]
    assert seen == ["completed"]


def test_a_failed_subflow_fails_its_parent_unless_handled(reporter: RecordingReporter) -> None:
    @flow
    def inner() -> None:
        fail()

    @flow
    def careful() -> str:
        state = inner(return_state=True)
        return state.type.value

    assert careful() == "FAILED"

    @flow
    def careless() -> None:
        inner()

    with pytest.raises(ValueError, match="boom"):
        careless()


def test_methods_can_be_tasks(reporter: RecordingReporter) -> None:
    class Source:
        def __init__(self, base: int) -> None:
            self.base = base

        @task
        def read(self, more: int) -> int:
            return self.base + more

    @flow
    def reads() -> int:
        return Source(40).read(2)

    assert reads() == 42


def test_ordinary_logging_and_prints_within_a_run_belong_to_it(
    reporter: RecordingReporter, capsys: pytest.CaptureFixture[str]
) -> None:
    @task
    def talks() -> None:
        logging.getLogger("mine").warning("watch out")
        print("hello", 1)  # noqa: T201 - that is what is captured

    @flow(log_prints=True)
    def talkative() -> None:
        talks()
        logging.getLogger("mine").debug("too fine")

    talkative()
    logging.getLogger("mine").warning("outside")
    assert [(line.logger, line.body) for line in reporter.lines] == [
        ("mine", "watch out"),
        ("stdout", "hello 1"),
    ]
    assert capsys.readouterr().out == "hello 1\n"


def test_returning_a_good_future_does_not_hide_a_failure(reporter: RecordingReporter) -> None:
    @flow
    def hides() -> object:
        fail.submit()
        return add.submit(1)

    with pytest.raises(FlowRunFailed, match="1 failed"):
        hides()
