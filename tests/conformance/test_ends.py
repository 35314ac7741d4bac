"""How runs end under every task runner: by failures, exits, interruptions and crashes."""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from towpath import flow
from towpath.exceptions import RunCrashed, UpstreamFailed
from towpath.futures import as_completed, wait

from tests.conformance.work import (
    add,
    consume,
    leave,
    mark,
    nap,
    nap_async,
    nap_on,
    spoil,
)

if TYPE_CHECKING:
    from pathlib import Path

    from towpath.task_runners import TaskRunner
    from towpath.tasks import Task
    from towpath.testing import Harness

pytestmark = pytest.mark.subject("engine", "runners")


def test_sys_exit_in_a_task_crashes_the_task_only(runner: TaskRunner, recorded: Harness) -> None:
    @flow(task_runner=runner, final_state="return_value")
    def goes_on() -> int:
        leave.submit().wait()
        return add.submit(1).result()

    assert goes_on() == 2
    assert (recorded.run("leave").state, recorded.run("leave").reason) == (
        "CRASHED",
        "PROCESS_EXIT",
    )


def test_asking_for_the_state_deals_with_the_failure(runner: TaskRunner, recorded: Harness) -> None:
    @flow(task_runner=runner)
    def asks() -> list[str]:
        states = [
            spoil.submit(return_state=True),
            spoil(return_state=True),
            consume.submit(spoil.submit(), return_state=True),
        ]
        return [state.type.value for state in states]

    assert asks() == ["FAILED", "FAILED", "SKIPPED"]


def test_a_call_below_a_failure_is_skipped_and_raises(
    runner: TaskRunner, recorded: Harness, tmp_path: Path
) -> None:
    @flow(task_runner=runner)
    def calls() -> None:
        mark(tmp_path, "below", spoil.submit())

    with pytest.raises(UpstreamFailed, match="spoil failed"):
        calls()
    assert recorded.run("mark").states == ["SKIPPED"]
    assert list(tmp_path.iterdir()) == []


def test_futures_come_as_they_complete(runner: TaskRunner, recorded: Harness) -> None:
    @flow(task_runner=runner)
    def collects() -> set[int]:
        futures = add.map(range(5))
        wait(futures)
        return {future.result() for future in as_completed(futures)}

    assert collects() == {1, 2, 3, 4, 5}


@pytest.mark.parametrize("napping", [nap, nap_on, nap_async], ids=lambda task: task.name)
def test_ctrl_c_leaves_no_run_unfinished(
    napping: Task[..., Any], runner: TaskRunner, recorded: Harness, tmp_path: Path
) -> None:
    def press() -> None:
        while not (tmp_path / "napping").exists():
            time.sleep(0.005)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    @flow(task_runner=runner)
    def interrupted() -> None:
        naps = [napping.submit(tmp_path) for _ in range(6)]
        consume.submit(naps)
        wait(naps)

    pressing = threading.Thread(target=press)
    pressing.start()
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    pressing.join()
    states = {run.name: run.state for run in recorded.runs}
    assert states["interrupted"] == "CANCELLED"
    assert states[napping.name] == "CANCELLED"
    assert set(states.values()) <= {"CANCELLED", "SKIPPED"}


def test_a_crash_is_what_the_caller_meets(runner: TaskRunner, recorded: Harness) -> None:
    @flow(task_runner=runner)
    def meets() -> None:
        leave.submit().result()

    with pytest.raises((RunCrashed, SystemExit)):
        meets()
    assert recorded.run("leave").state == "CRASHED"
