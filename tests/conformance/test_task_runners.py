"""What every task runner does alike; what only some can do is in test_processes.py,
test_dask.py and test_dask_clusters.py."""

from __future__ import annotations

import asyncio
import tempfile
from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from towpath import allow_failure, flow, quote, tags, unmapped
from towpath.cache_policies import INPUTS
from towpath.exceptions import FlowRunFailed, RunTimedOut
from towpath.testing import harness

from tests.budgets import examples
from tests.conformance.conftest import RUNNERS, runner_of
from tests.conformance.work import (
    Basket,
    Order,
    SpoiltError,
    add,
    await_release,
    consume,
    count_to,
    count_to_async,
    double,
    endless,
    endless_async,
    mark,
    nested,
    node,
    runs_a_flow,
    spoil,
    talk,
    third_time,
    who,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from towpath.task_runners import TaskRunner
    from towpath.testing import Harness

pytestmark = pytest.mark.subject("engine", "runners")

DONE = ["PENDING", "RUNNING", "COMPLETED"]


def test_results_reach_whoever_needs_them_however_deep(
    runner: TaskRunner, recorded: Harness
) -> None:
    @flow(task_runner=runner)
    def deep() -> list[object]:
        one = add.submit(0)
        groups = defaultdict(list, {"a": [one]})
        return [
            consume.submit({"list": [one, (one,)]}).result(),
            consume.submit(Basket(items=[one])).result(),
            consume.submit(Order(number=1, of=one)).result().of,
            consume.submit(groups).result()["a"],
        ]

    assert deep() == [{"list": [1, (1,)]}, Basket(items=[1]), 1, [1]]
    assert recorded.run("add").states == DONE


def test_a_value_that_contains_itself_passes(runner: TaskRunner, recorded: Harness) -> None:
    endless_list: list[object] = [1]
    endless_list.append(endless_list)

    @flow(task_runner=runner)
    def loops() -> bool:
        got = consume.submit(endless_list).result()
        return got[1] is got

    assert loops()


def test_what_is_downstream_of_a_failure_never_runs(
    runner: TaskRunner, recorded: Harness, tmp_path: Path
) -> None:
    @flow(task_runner=runner)
    def broken() -> None:
        mark.submit(tmp_path, "below", consume.submit(spoil.submit()))
        mark.submit(tmp_path, "beside")

    with pytest.raises(FlowRunFailed, match="1 failed, 2 not run"):
        broken()
    assert [path.name for path in tmp_path.iterdir()] == ["beside"]
    below = next(run for run in recorded.runs if run.name == "mark")
    assert (below.state, below.reason) == ("SKIPPED", "UPSTREAM_FAILED")
    assert "spoil failed (SpoiltError: milk is spoilt)" in below.message
    assert recorded.run("broken").state == "FAILED"


@pytest.mark.parametrize("name", RUNNERS)
def test_no_body_of_a_random_graph_runs_below_a_failure(name: str) -> None:
    # Each flow run starts processes or a client anew: fewer graphs, and larger ones.
    graphs, largest = (10, 24) if name in {"processes", "dask"} else (25, 12)

    @settings(max_examples=examples(graphs), deadline=None, database=None)
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        size = data.draw(st.integers(1, largest))
        edges = [
            data.draw(st.sets(st.integers(0, number - 1), max_size=3)) if number else set()
            for number in range(size)
        ]
        failing = data.draw(st.sets(st.integers(0, size - 1), max_size=3))
        with tempfile.TemporaryDirectory() as folder, harness() as recording:

            @flow(task_runner=runner_of(name), final_state="return_value")
            def graph() -> None:
                futures: list[object] = []
                for number in range(size):
                    upstream = [futures[edge] for edge in edges[number]]
                    fails = number in failing
                    futures.append(node.submit(Path(folder), number, fails, upstream))

            graph()
            ran = {int(path.name) for path in Path(folder).iterdir()}
        blocked: set[int] = set()
        for number in range(size):
            if edges[number] & (blocked | failing):
                blocked.add(number)
        assert ran == set(range(size)) - blocked
        states = [run.state for run in recording.runs if run.kind == "task"]
        assert states.count("SKIPPED") == len(blocked)
        assert states.count("FAILED") == len(failing - blocked)

    holds()


def test_wait_for_orders_runs_that_share_no_data(
    runner: TaskRunner, recorded: Harness, tmp_path: Path
) -> None:
    @flow(task_runner=runner)
    def ordered() -> None:
        first = spoil.submit()
        mark.submit(tmp_path, "after", wait_for=[first])

    with pytest.raises(FlowRunFailed, match="1 not run"):
        ordered()
    assert list(tmp_path.iterdir()) == []


def test_allow_failure_hands_the_error_on(runner: TaskRunner, recorded: Harness) -> None:
    @flow(task_runner=runner)
    def tolerant() -> object:
        return consume.submit(allow_failure(spoil.submit("egg"))).result()

    error = tolerant()
    assert isinstance(error, SpoiltError)
    assert error.what == "egg"


def test_quoted_values_are_not_searched(runner: TaskRunner, recorded: Harness) -> None:
    @flow(task_runner=runner)
    def quoting() -> object:
        return consume.submit(quote([1, 2])).result()

    assert quoting() == [1, 2]


def test_an_error_keeps_its_class_its_fields_and_its_line(
    runner: TaskRunner, recorded: Harness
) -> None:
    @flow(task_runner=runner)
    def catches() -> str:
        try:
            spoil.submit("cheese").result()
        except SpoiltError as error:
            return error.what
        return "nothing raised"

    assert catches() == "cheese"
    assert recorded.run("catches").state == "COMPLETED"
    assert recorded.run("spoil").message == "SpoiltError: cheese is spoilt"


def test_an_uncaught_failure_is_reported_with_the_line_that_raised(
    runner: TaskRunner, recorded: Harness
) -> None:
    @flow(task_runner=runner)
    def careless() -> None:
        spoil.submit()

    with pytest.raises(FlowRunFailed) as caught:
        careless()
    report = caught.value.__towpath_report__
    assert "work.py" in report
    assert "in spoil: raise SpoiltError(what)" in report


def test_retries_wait_and_end_in_success(
    runner: TaskRunner, recorded: Harness, tmp_path: Path
) -> None:
    @flow(task_runner=runner)
    def tries() -> int:
        return third_time.submit(tmp_path).result()

    assert tries() == 2
    again = ["RETRYING", "RUNNING"]
    assert recorded.run("third_time").states == ["PENDING", "RUNNING", *again, *again, "COMPLETED"]
    assert recorded.run("third_time").attempt == 3
    assert recorded.clock.elapsed == 180


@pytest.mark.parametrize("task", [endless, endless_async], ids=["sync", "async"])
def test_a_task_over_its_time_is_stopped(
    runner: TaskRunner, recorded: Harness, task: object
) -> None:
    @flow(task_runner=runner)
    def impatient() -> None:
        task.submit().result()

    with pytest.raises(RunTimedOut, match=r"0\.2 s"):
        impatient()
    assert recorded.runs[1].states == ["PENDING", "RUNNING", "TIMED_OUT"]


def test_hooks_run_in_the_flows_process(runner: TaskRunner, recorded: Harness) -> None:
    seen: list[tuple[str, str, str]] = []

    def note(task: object, run: object, state: object) -> None:
        seen.append((task.name, run.name, state.type.value))

    watched_add = add.with_options(on_running=[note], on_completion=[note])
    watched_spoil = spoil.with_options(on_failure=[note])

    @flow(task_runner=runner, final_state="return_value")
    def hooked() -> None:
        watched_add.submit(1).wait()
        watched_spoil.submit().wait()

    hooked()
    assert seen == [
        ("add", "add", "RUNNING"),
        ("add", "add", "COMPLETED"),
        ("spoil", "spoil", "FAILED"),
    ]


def test_map_keeps_order_and_hands_unmapped_whole(runner: TaskRunner, recorded: Harness) -> None:
    @flow(task_runner=runner)
    def mapped() -> list[int]:
        return add.map(range(20), unmapped(100)).result()

    assert mapped() == list(range(100, 120))
    assert recorded.run("add[19]").states == DONE


def test_map_over_futures_and_one_failure_costs_one(runner: TaskRunner, recorded: Harness) -> None:
    @flow(task_runner=runner, final_state="return_value")
    def partly() -> list[str]:
        sources = [add.submit(1), spoil.submit(), add.submit(3)]
        return [future.final_state().type.value for future in consume.map(sources)]

    assert partly() == ["COMPLETED", "SKIPPED", "COMPLETED"]


def test_coroutines_and_generators_can_be_submitted(runner: TaskRunner, recorded: Harness) -> None:
    @flow(task_runner=runner)
    def kinds() -> list[object]:
        futures = [double.submit(4), count_to.submit(3), count_to_async.submit(2)]
        return [future.result() for future in futures]

    assert kinds() == [8, [0, 1, 2], [0, 1]]


def test_coroutines_can_be_submitted_from_an_async_flow(
    runner: TaskRunner, recorded: Harness
) -> None:
    @flow(task_runner=runner)
    async def modern() -> list[int]:
        futures = double.map([1, 2, 3])
        return [future.result() for future in futures]

    assert asyncio.run(modern()) == [2, 4, 6]


# Not inline: a task that runs in the loop's own thread holds the loop by its nature.
@pytest.mark.parametrize("name", ["threads", "processes", "dask"])
@pytest.mark.parametrize("streams", [False, True], ids=["coroutine", "generator"])
def test_the_end_of_an_async_flow_lets_its_loop_go_on(
    name: str, streams: bool, recorded: Harness, tmp_path: Path
) -> None:
    async def main() -> None:
        body_ended = asyncio.Event()

        @flow(task_runner=runner_of(name))
        async def ends() -> None:
            await_release.submit(tmp_path)
            body_ended.set()

        @flow(task_runner=runner_of(name))
        async def gives() -> AsyncGenerator[int, None]:
            await_release.submit(tmp_path)
            yield 1
            body_ended.set()

        async def release() -> None:
            await body_ended.wait()
            (tmp_path / "released").touch()

        releasing = asyncio.create_task(release())
        if streams:
            assert [item async for item in gives()] == [1]
        else:
            await ends()
        await releasing

    asyncio.run(main())
    assert recorded.run("await_release").state == "COMPLETED"


def test_log_lines_and_prints_arrive_in_order(runner: TaskRunner, recorded: Harness) -> None:
    @flow(task_runner=runner)
    def talkative() -> None:
        talk.submit()

    talkative()
    lines = [(line.logger, line.body) for line in recorded.run("talk").logs]
    assert lines == [("towpath.runs", "first"), ("stdout", "second"), ("mine", "third")]


def test_tasks_that_tasks_begin_are_runs_too(runner: TaskRunner, recorded: Harness) -> None:
    @flow(task_runner=runner)
    def around() -> int:
        return nested.submit().result()

    assert around() == 13
    parent = recorded.run("nested")
    children = [run for run in recorded.runs if run.parent_id == parent.id]
    assert [run.state for run in children] == ["COMPLETED", "COMPLETED"]


def test_a_failure_begun_inside_a_task_counts_for_the_flow(
    runner: TaskRunner, recorded: Harness
) -> None:
    @flow(task_runner=runner)
    def around() -> None:
        nested.submit(fails=True)

    with pytest.raises(FlowRunFailed, match="1 failed: spoil"):
        around()


def test_a_task_can_run_a_flow(runner: TaskRunner, recorded: Harness) -> None:
    @flow(task_runner=runner)
    def outer() -> int:
        return runs_a_flow.submit(41).result()

    assert outer() == 42
    assert recorded.run("inner").parent_id == recorded.run("runs_a_flow").id
    assert all(run.state == "COMPLETED" for run in recorded.runs)


def test_the_runtime_tells_where_code_is(runner: TaskRunner, recorded: Harness) -> None:
    @flow(task_runner=runner)
    def somewhere(day: int) -> object:
        with tags("nightly"):
            return who.submit().result()

    assert somewhere(7) == {
        "task": "who",
        "run": "who",
        "tags": ["nightly"],
        "flow": "somewhere",
        "parameters": {"day": 7},
    }


def test_a_result_is_computed_once_and_found_again(
    runner: TaskRunner, recorded: Harness, tmp_path: Path
) -> None:
    cached = mark.with_options(cache_policy=INPUTS, cache_expiration=timedelta(hours=1))

    @flow(task_runner=runner)
    def remembers() -> list[str]:
        return [cached.submit(tmp_path, "x").result(), cached(tmp_path, "x")]

    assert remembers() == ["x", "x"]
    assert remembers() == ["x", "x"]
    assert (tmp_path / "x").read_text() == "x"
    last = recorded.runs[-1]
    assert (last.states, last.reason) == (["COMPLETED"], "CACHED")
    recorded.clock.sleep(3601)
    remembers()
    assert (tmp_path / "x").read_text() == "xx"
