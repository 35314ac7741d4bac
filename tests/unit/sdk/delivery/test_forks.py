"""Forked children of runs: what they log is kept, and what is their parent's is left to it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from towpath._delivery.outbox import AFTER, LOGS, UPDATES, outboxes
from towpath._delivery.segments import SegmentReader
from towpath.api.v1 import ingest_service_pb2, log_service_pb2, state_pb2

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system with fork")

FORKS = 300
EXIT_EACH = 15
"""Of so many children, one ends by SystemExit: that takes an interpreter ten times as long."""

STRESS = f"""
import contextvars, faulthandler, os, random, signal, threading, time
from towpath import flow, get_run_logger, task

faulthandler.enable()  # A child that hangs says where, when it is aborted.
WAITED_FOR_SECONDS = 120.0

def guard(children, over):
    # Aborts a child that hangs, so that the wait for it ends.
    while not over.wait(1.0):
        for child, since in list(children.items()):
            if time.monotonic() - since > WAITED_FOR_SECONDS:
                os.kill(child, signal.SIGABRT)

@task
def small(n):
    return n

@flow
def stress():
    log, over, begun = get_run_logger(), threading.Event(), threading.Barrier(5)
    children = {{}}
    guarding = threading.Thread(target=guard, args=(children, over))
    guarding.start()

    def busy(name):
        begun.wait()
        n = 0
        while not over.is_set():
            log.info("busy %s %d", name, n)
            print("printed")
            small(n)
            n += 1
            time.sleep(0.02)
        counts[name] = n

    counts = {{}}
    threads = [
        threading.Thread(target=contextvars.copy_context().run, args=(busy, name))
        for name in ("a", "b", "c", "d")
    ]
    for thread in threads:
        thread.start()
    begun.wait()
    try:
        fork_often(log, children)
    finally:
        over.set()
    for thread in (*threads, guarding):
        thread.join()
    return counts

def fork_often(log, children):
    numbers = {{}}
    for n in range({FORKS}):
        time.sleep(random.random() / 1000)
        child = os.fork()
        if not child:
            log.info("child %d", n)
            if n % 3 == 0:
                small(-n)
            if n % {EXIT_EACH} == 1:
                raise SystemExit(3)
            os._exit(0)
        children[child] = time.monotonic()
        numbers[child] = n
        if len(children) == 8:
            await_child(children, numbers)
    while children:
        await_child(children, numbers)

def await_child(children, numbers):
    child, status = os.wait()
    del children[child]
    n = numbers.pop(child)
    code = 3 if n % {EXIT_EACH} == 1 else 0
    assert os.waitstatus_to_exitcode(status) == code, (n, status)

counts = stress()
print("counts", *[f"{{name}}={{n}}" for name, n in counts.items()])
"""


def script(home: Path, code: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TOWPATH_HOME": str(home), "TOWPATH_DISPLAY": "quiet"}
    environment["TOWPATH_OUTBOX_FSYNC"] = "never"
    path = home / "script.py"
    path.write_text(code, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-W", "ignore", str(path)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def recorded(home: Path) -> tuple[dict[str, list[int]], list[str]]:
    """The states of all runs by id, and all log lines, out of all outboxes."""
    states: dict[str, list[int]] = {}
    lines: list[str] = []
    for folder in outboxes(home):
        updates, logs = SegmentReader(folder, UPDATES), SegmentReader(folder, LOGS)
        while frames := updates.read(1000, 10**7):
            for frame in frames:
                update = ingest_service_pb2.Update.FromString(frame)
                change = update.WhichOneof("change")
                report = update.create.initial if change == "create" else update.transition
                states.setdefault(update.run_id, []).append(report.state)
        while frames := logs.read(1000, 10**7):
            lines += [
                log_service_pb2.LogRecord.FromString(frame[AFTER.size :]).body for frame in frames
            ]
        assert not updates.damaged
        assert not logs.damaged
        assert not updates.torn()
        assert not logs.torn()
    return states, lines


RUNNING = state_pb2.RUN_STATE_RUNNING
COMPLETED = state_pb2.RUN_STATE_COMPLETED


@pytest.mark.timeout(660)
def test_300_forks_amid_reports_hang_nowhere_lose_nothing_and_end_no_run_of_the_parent(
    tmp_path: Path,
) -> None:
    ran = script(tmp_path, STRESS)
    assert ran.returncode == 0, ran.stderr[-3000:]
    counts = dict(word.split("=") for word in ran.stdout.split("counts ")[-1].split())
    states, lines = recorded(tmp_path)
    assert sorted(line for line in lines if line.startswith("child")) == sorted(
        f"child {n}" for n in range(FORKS)
    )
    busy = [f"busy {name} {n}" for name, count in counts.items() for n in range(int(count))]
    assert sorted(line for line in lines if line.startswith("busy")) == sorted(busy)
    assert {tuple(each) for each in states.values()} == {(RUNNING, COMPLETED)}
    assert len(states) == 1 + len(busy) + FORKS // 3


WAYS = {
    "sys.exit": ("sys.exit(5)", 5),
    "an exception": ("raise ValueError('of the child')", 1),
    "os._exit": ("os._exit(6)", 6),
}

LEAVING = """
import os, sys
from towpath import flow, get_run_logger, task
from towpath.task_runners import InlineTaskRunner, ThreadPoolTaskRunner

def hook(owner, run, state):
    print("hook of", os.getpid() == parent, flush=True)

parent = os.getpid()

@task(retries=2, on_failure=[hook], on_completion=[hook])
def forks():
    child = os.fork()
    if not child:
        get_run_logger().info("of the child")
        LEAVE
    _, status = os.waitpid(child, 0)
    print("status", os.waitstatus_to_exitcode(status), flush=True)

def around(submits):
    forks.submit().result() if submits else forks()
    return forks.with_options(name="second")

for runner in (InlineTaskRunner(), ThreadPoolTaskRunner()):
    for submits in (False, True):
        assert flow(around, task_runner=runner)(submits) is not None
"""


@pytest.mark.parametrize("way", WAYS)
def test_a_child_that_leaves_a_task_ends_neither_it_nor_the_flow_of_its_parent(
    way: str, tmp_path: Path
) -> None:
    leave, code = WAYS[way]
    ran = script(tmp_path, LEAVING.replace("LEAVE", leave))
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [f"status {code}", "hook of True"] * 4
    states, lines = recorded(tmp_path)
    assert lines == ["of the child"] * 4
    assert all(each[-1] == COMPLETED for each in states.values())
    assert len(states) == 4 * 2
    assert ("of the child" in ran.stderr) == (way == "an exception")


def test_a_child_is_refused_what_only_its_parent_can_do(tmp_path: Path) -> None:
    ran = script(
        tmp_path,
        """
import os, threading
from towpath import flow, task

go = threading.Event()

@task
def waits():
    go.wait(60)

@flow
def around():
    future = waits.submit()
    child = os.fork()
    if not child:
        for attempt in (future.result, waits.submit):
            try:
                attempt()
            except RuntimeError as error:
                print(type(error).__name__, error, flush=True)
        os._exit(0)
    os.waitpid(child, 0)
    go.set()

around()
""",
    )
    assert ran.returncode == 0, ran.stderr
    first, second = ran.stdout.splitlines()
    assert "only the parent hears of its end" in first
    assert "forked child" in second


def test_a_child_imports_what_a_thread_of_its_parent_was_importing(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import __main__, os, slower\n"
        "if os.getpid() == __main__.parent: __main__.amid()\n"
        "whole = 1\n"
    )
    (tmp_path / "slower.py").write_text("whole = 2\n")
    ran = script(
        tmp_path,
        """
import os, signal, threading
import towpath._forks

parent, begun, over = os.getpid(), threading.Event(), threading.Event()

def amid():
    begun.set()
    over.wait(60)

def load():
    import slow
    print("parent", slow.whole, slow.slower.whole)

loading = threading.Thread(target=load)
loading.start()
begun.wait()
child = os.fork()
if not child:
    signal.alarm(30)  # Ends a child that hangs.
    import slow
    print("child", slow.whole, slow.slower.whole, flush=True)
    os._exit(0)
print("status", os.waitpid(child, 0)[1])
over.set()
loading.join()
""",
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == ["child 1 2", "status 0", "parent 1 2"]


def test_a_childs_own_flow_is_recorded_whole(tmp_path: Path) -> None:
    ran = script(
        tmp_path,
        """
import os
from towpath import flow, task

@task
def step(n):
    return n

@flow
def inner():
    return sum(future.result() for future in [step.submit(n) for n in range(5)])

@flow
def around():
    child = os.fork()
    if not child:
        os._exit(inner())
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)

print(around())
""",
    )
    assert ran.stdout == "10\n", ran.stderr
    states, _ = recorded(tmp_path)
    assert len(states) == 7
    assert {each[-1] for each in states.values()} == {COMPLETED}


IN_A_WORKER = """
import os, sys
from towpath import flow, get_run_logger, task
from towpath.task_runners import ProcessPoolTaskRunner

@task
def small(n):
    return n

@task
def forks(way):
    log = get_run_logger()
    child = os.fork()
    if not child:
        log.info("child %s", way)
        small(1)
        if way == "sys.exit":
            sys.exit(5)
        if way == "an exception":
            raise ValueError("of the child")
        if way == "os._exit":
            os._exit(6)
        return way
    _, status = os.waitpid(child, 0)
    log.info("worker %s", way)
    return os.waitstatus_to_exitcode(status)

@flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
def around():
    ways = ["sys.exit", "an exception", "os._exit", "a return"]
    return [future.result() for future in [forks.submit(way) for way in ways]]

if __name__ == "__main__":
    print(around())
"""


def test_children_forked_in_a_worker_process_are_recorded_and_answer_no_call(
    tmp_path: Path,
) -> None:
    ran = script(tmp_path, IN_A_WORKER)
    assert ran.stdout == "[5, 1, 6, 0]\n", ran.stderr
    assert "ValueError: of the child" in ran.stderr
    states, lines = recorded(tmp_path)
    ways = ["sys.exit", "an exception", "os._exit", "a return"]
    assert sorted(lines) == sorted(f"{who} {way}" for who in ("child", "worker") for way in ways)
    assert [each for each in states.values() if each[-1] != COMPLETED] == []
    assert len(states) == 1 + 4 + 4
