"""What only processes can do: be stopped for good, and die alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from towpath import flow
from towpath.exceptions import (
    FlowRunFailed,
    ParameterError,
    ResultError,
    RunCrashed,
    RunError,
    RunTimedOut,
)
from towpath.task_runners import ProcessPoolTaskRunner

from tests.conformance.work import (
    add,
    consume,
    fail_once,
    hold_the_gil,
    note_process,
    process_of,
    raise_unsendable,
    unsendable,
    vanish,
    vanish_once,
    vanish_with_a_child,
)

if TYPE_CHECKING:
    from pathlib import Path

    from towpath.testing import Harness

pytestmark = pytest.mark.subject("engine", "runners")

processes = ProcessPoolTaskRunner(max_workers=2)


@pytest.mark.parametrize(
    ("how", "reason", "says"),
    [("exit", "PROCESS_EXIT", "exit code 3"), ("kill", "PROCESS_DIED", "SIGKILL; out of memory")],
)
def test_a_process_that_ends_crashes_its_run_and_nothing_else(
    recorded: Harness, how: str, reason: str, says: str
) -> None:
    @flow(task_runner=processes, final_state="return_value")
    def survives() -> int:
        futures = [vanish.submit(how), add.submit(1)]
        with pytest.raises(RunCrashed, match=says):
            futures[0].result()
        return futures[1].result() + add.submit(1).result()

    assert survives() == 4
    assert recorded.run("vanish").states == ["PENDING", "RUNNING", "CRASHED"]
    assert recorded.run("vanish").reason == reason


def test_a_crash_is_retried_where_that_is_asked_for(recorded: Harness, tmp_path: Path) -> None:
    @flow(task_runner=processes)
    def comes_back() -> str:
        return vanish_once.submit(tmp_path).result()

    assert comes_back() == "back"
    assert recorded.run("vanish_once").states[2:] == ["RETRYING", "RUNNING", "COMPLETED"]


def test_runs_begun_in_a_process_end_with_it(recorded: Harness) -> None:
    @flow(task_runner=processes)
    def around() -> None:
        vanish_with_a_child.submit()

    with pytest.raises(FlowRunFailed, match="1 failed"):
        around()
    assert recorded.run("begun_and_gone").states == ["RUNNING", "CRASHED"]
    assert "process of vanish_with_a_child" in recorded.run("begun_and_gone").message


def test_what_holds_the_gil_is_stopped_at_its_timeout(recorded: Harness) -> None:
    @flow(task_runner=processes)
    def impatient() -> None:
        hold_the_gil.submit().result()

    with pytest.raises(RunTimedOut):
        impatient()
    assert recorded.run("hold_the_gil").state == "TIMED_OUT"


def test_an_argument_that_can_not_be_sent_is_named(recorded: Harness) -> None:
    @flow(task_runner=processes)
    def sends() -> None:
        consume.submit(threading.Lock()).result()

    with pytest.raises(ParameterError, match="parameter 'value', a lock, can't be sent"):
        sends()
    assert recorded.run("consume").state == "FAILED"


def test_a_result_that_can_not_be_sent_says_so(recorded: Harness) -> None:
    @flow(task_runner=processes)
    def receives() -> None:
        unsendable.submit().result()

    with pytest.raises(ResultError, match=r"a lock, can't be sent .* run the task in threads"):
        receives()


def test_an_error_that_can_not_be_sent_keeps_its_text(recorded: Harness) -> None:
    @flow(task_runner=processes)
    def fails() -> None:
        raise_unsendable.submit().result()

    with pytest.raises(RunError, match="OddError: <unlocked"):
        fails()


def test_processes_are_used_again_and_end_with_the_flow(recorded: Harness) -> None:
    @flow(task_runner=processes)
    def many() -> set[int]:
        return set(process_of.map(range(20)).result())

    pids = many()
    assert os.getpid() not in pids
    assert len(pids) <= 2
    assert not any(psutil.pid_exists(pid) for pid in pids)


SCRIPT = """
import os, sys, time
from towpath import flow, task
from towpath.task_runners import ProcessPoolTaskRunner

class Mine(Exception):
    pass

@task
def pid():
    return os.getpid()

@task
def fails():
    raise Mine("by class")

@task
def sleeps():
    print("pid", os.getpid(), flush=True)
    time.sleep(60)

@flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
def main(endless):
    try:
        fails.submit().result()
    except Mine as error:
        print("caught", error, flush=True)
    assert pid.submit().result() != os.getpid()
    if endless:
        sleeps.submit().result()

main(len(sys.argv) > 1)
print("done")
"""


def _script(home: Path) -> tuple[Path, dict[str, str]]:
    path = home / "script.py"
    path.write_text(SCRIPT)
    return path, {**os.environ, "TOWPATH_HOME": str(home / "home"), "TOWPATH_DISPLAY": "quiet"}


def test_a_script_needs_no_main_guard_and_its_classes_stay_its_own(tmp_path: Path) -> None:
    script, environment = _script(tmp_path)
    ended = subprocess.run(
        [sys.executable, str(script)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert (ended.returncode, ended.stdout) == (0, "caught by class\ndone\n"), ended.stderr


def test_workers_do_not_outlive_a_killed_flow(tmp_path: Path) -> None:
    script, environment = _script(tmp_path)
    flow_process = subprocess.Popen(
        [sys.executable, str(script), "endless"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert flow_process.stdout is not None
    line = next(line for line in flow_process.stdout if line.startswith("pid"))
    worker = psutil.Process(int(line.split()[1]))
    flow_process.send_signal(signal.SIGKILL)
    flow_process.wait()
    psutil.wait_procs([worker], timeout=20)
    assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE
    flow_process.stdout.close()


def test_each_process_is_set_up_once_before_its_first_task(
    recorded: Harness, tmp_path: Path
) -> None:
    runner = ProcessPoolTaskRunner(1, initializer=note_process, initargs=(tmp_path,))

    @flow(task_runner=runner)
    def twice() -> set[int]:
        return {process_of.submit().result(), process_of.submit(1).result()}

    noted = twice(), {int(each.name) for each in tmp_path.iterdir()}
    assert noted[0] == noted[1]
    assert [each.read_text() for each in tmp_path.iterdir()] == ["set up\n"]


def test_a_process_that_can_not_be_set_up_crashes_its_run_and_is_replaced(
    recorded: Harness, tmp_path: Path
) -> None:
    runner = ProcessPoolTaskRunner(1, initializer=fail_once, initargs=(tmp_path / "failed",))

    @flow(task_runner=runner, final_state="return_value")
    def goes_on() -> int:
        with pytest.raises(RunCrashed, match="initializer of its process failed: OSError: no disk"):
            process_of.submit().result()
        return process_of.submit().result()

    assert goes_on() != os.getpid()
    assert recorded.run("process_of").reason == "PROCESS_EXIT"


def test_an_initializer_that_can_not_be_sent_is_named(recorded: Harness) -> None:
    runner = ProcessPoolTaskRunner(1, initializer=print, initargs=(threading.Lock(),))

    @flow(task_runner=runner)
    def sends() -> None:
        process_of.submit().result()

    with pytest.raises(ParameterError, match="initializer of the processes can't be sent"):
        sends()


def test_an_initializer_belongs_to_what_a_runner_is() -> None:
    runner = ProcessPoolTaskRunner(2, initializer=print, initargs=[1])
    assert runner.duplicate() == runner
    assert runner != ProcessPoolTaskRunner(2)
    assert len({runner, runner.duplicate()}) == 1
    broken: Any = "print"
    with pytest.raises(TypeError, match="initializer is a function or None, not 'print'"):
        ProcessPoolTaskRunner(initializer=broken)


def test_its_number_of_processes_follows_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWPATH_TASK_MAX_WORKERS", "3")
    assert ProcessPoolTaskRunner().max_workers == 3
    assert ProcessPoolTaskRunner(5).max_workers == 5
