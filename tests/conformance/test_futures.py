"""What waits for futures, and is called when they end, under every task runner."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from towpath import flow, get_run_logger
from towpath.futures import as_completed, wait

from tests.conformance.work import add, consume, spoil

if TYPE_CHECKING:
    from typing import Any

    from towpath.futures import Future
    from towpath.task_runners import TaskRunner
    from towpath.testing import Harness

pytestmark = pytest.mark.subject("engine", "runners")


def test_a_wait_and_an_iteration_find_all(runner: TaskRunner, recorded: Harness) -> None:
    @flow(task_runner=runner, final_state="return_value")
    def waits() -> list[Any]:
        futures = [*add.map([1, 2, 3]), spoil.submit(), consume.submit(spoil.submit())]
        done, not_done = wait(futures)
        ended = list(as_completed(futures))
        assert done == set(ended) == set(futures)
        return [len(done), len(not_done), sorted(each.state.type.value for each in ended)]

    assert waits() == [5, 0, ["COMPLETED"] * 3 + ["FAILED", "SKIPPED"]]


def test_callbacks_are_called_before_the_flow_ends(runner: TaskRunner, recorded: Harness) -> None:
    seen: list[tuple[str, str]] = []

    def note(future: Future[Any]) -> None:
        get_run_logger().info("noted")
        seen.append((future.state.type.value, type(future.result(raise_on_failure=False)).__name__))

    def fails(_: Future[Any]) -> None:
        raise ValueError("odd")

    @flow(task_runner=runner, final_state="return_value")
    def calls() -> int:
        for each in (add.submit(1), spoil.submit()):
            each.add_done_callback(fails)
            each.add_done_callback(note)
        return 1

    assert calls() == 1
    assert sorted(seen) == [("COMPLETED", "int"), ("FAILED", "SpoiltError")]
    # What a callback logs belongs to the run whose code added it.
    logged = [line.body for line in recorded.run("calls").logs if line.body == "noted"]
    assert logged == ["noted", "noted"]
    assert recorded.run("calls").state == "COMPLETED"
