"""Runs with one cache key under SERIALIZABLE: one computes the result, the others wait for it."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from towpath import flow, task
from towpath.cache_policies import INPUTS, Inputs
from towpath.locking.filesystem import FileSystemLockManager
from towpath.locking.memory import MemoryLockManager
from towpath.task_runners import ProcessPoolTaskRunner, ThreadPoolTaskRunner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from towpath.testing import Harness

IN_TURN = Inputs(isolation_level="SERIALIZABLE", lock_manager=MemoryLockManager())
PROGRAM = """
import sys
from pathlib import Path
from towpath import flow, task
from towpath.cache_policies import Inputs
from towpath.locking.filesystem import FileSystemLockManager

folder = Path(sys.argv[1])
locks = FileSystemLockManager(folder / "locks")

@task(
    cache_policy=Inputs(isolation_level="SERIALIZABLE", lock_manager=locks),
    result_storage=folder / "results",
)
def compute(number):
    print("computes", flush=True)
    sys.stdin.read()
    return number

@flow
def around():
    print("begins", flush=True)
    print(compute(1, return_state=True).name)

around()
"""


@pytest.fixture(autouse=True)
def recorded(towpath_harness: Harness) -> Harness:
    return towpath_harness


def left(folder: Path) -> bool:
    """Whether a lock is left in a folder of files."""
    return any(folder.glob("*.lock"))


@pytest.mark.parametrize("kind", ["memory", "files", "home"])
def test_of_threads_that_compute_the_same_one_does(kind: str, tmp_path: Path) -> None:
    managers: dict[str, Any] = {
        "memory": MemoryLockManager(),
        "files": FileSystemLockManager(tmp_path / "locks"),
        "home": None,
    }
    policy = INPUTS.configure(isolation_level="SERIALIZABLE", lock_manager=managers[kind])
    computed: list[int] = []

    @task(cache_policy=policy, result_storage=tmp_path / "results")
    def compute(number: int) -> int:
        computed.append(number)
        return number

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=4))
    def around() -> list[str]:
        futures = [compute.submit(number) for number in (1, 1, 2, 1, 1, 2)]
        return [future.state.name for future in futures if future.wait() is None]

    assert sorted(around()) == ["Cached"] * 4 + ["Completed"] * 2
    assert sorted(computed) == [1, 2]
    assert not left(tmp_path / "locks")


def test_of_coroutines_that_compute_the_same_one_does(tmp_path: Path) -> None:
    computed: list[int] = []

    @task(cache_policy=IN_TURN, result_storage=tmp_path)
    async def compute(number: int) -> int:
        await asyncio.sleep(0)
        computed.append(number)
        return number

    @flow
    async def around() -> list[int]:
        called = asyncio.gather(*(compute(1) for _ in range(3)))
        futures = [compute.submit(1) for _ in range(3)]
        for future in futures:
            await future.wait_async()
        return [*await called, *[future.result() for future in futures]]

    assert asyncio.run(around()) == [1] * 6
    assert computed == [1]


def test_of_processes_that_compute_the_same_one_does(tmp_path: Path) -> None:
    policy = Inputs(
        isolation_level="SERIALIZABLE", lock_manager=FileSystemLockManager(tmp_path / "locks")
    )
    computed = tmp_path / "computed"

    @task(cache_policy=policy, result_storage=tmp_path / "results")
    def compute(number: int) -> int:
        with computed.open("a") as file:
            file.write(f"{number} ")
        return number

    @flow(task_runner=ProcessPoolTaskRunner(max_workers=2))
    def around() -> list[int]:
        return compute.map([1] * 6).result()

    assert around() == [1] * 6
    assert computed.read_text() == "1 "
    assert not left(tmp_path / "locks")


def test_without_isolation_runs_compute_at_once(tmp_path: Path) -> None:
    together = threading.Barrier(3)

    @task(cache_policy=Inputs(lock_manager=MemoryLockManager()), result_storage=tmp_path)
    def compute(number: int) -> int:
        together.wait()
        return number

    @flow
    def around() -> list[int]:
        return compute.map([1, 1, 1]).result()

    assert around() == [1, 1, 1]


def test_a_run_that_fails_lets_the_next_one_compute(tmp_path: Path) -> None:
    computed: list[int] = []

    @task(cache_policy=IN_TURN, result_storage=tmp_path)
    def compute(number: int) -> int:
        computed.append(number)
        if len(computed) < 3:
            raise ValueError("not yet")
        return number

    @flow
    def around() -> list[str]:
        states = [compute(1, return_state=True) for _ in range(2)]
        futures = [compute.submit(1) for _ in range(3)]
        return [each.name for each in states] + [f.state.name for f in futures if f.wait() is None]

    assert sorted(around()) == ["Cached", "Cached", "Completed", "Failed", "Failed"]
    assert computed == [1] * 3


def test_a_run_doesnt_wait_for_itself(tmp_path: Path) -> None:
    depth: list[int] = []

    @task(cache_policy=IN_TURN, result_storage=tmp_path)
    def compute(number: int) -> int:
        depth.append(number)
        return compute(number) if len(depth) < 3 else number

    assert compute(1) == 1
    assert MemoryLockManager().acquire_lock("other", "x", 0) is not None
    MemoryLockManager().release_lock("other", "x")


class Refuses:
    """A lock manager that has no locks."""

    def acquire_lock(self, *_: Any) -> bool:
        raise ConnectionError("no locks today")

    async def aacquire_lock(self, *_: Any) -> bool:
        raise ConnectionError("no locks today")

    def is_lock_holder(self, *_: Any) -> bool:
        return False


def test_a_run_without_its_lock_fails(tmp_path: Path) -> None:
    manager: Any = Refuses()
    policy = Inputs(isolation_level="SERIALIZABLE", lock_manager=manager)

    @task(cache_policy=policy, result_storage=tmp_path)
    def compute() -> int:
        return 1

    @task(cache_policy=policy, result_storage=tmp_path)
    async def computes() -> int:
        return 1

    @flow
    async def around() -> list[Any]:
        states = [compute(return_state=True), await computes(return_state=True)]
        futures = [compute.submit(), computes.submit()]
        for future in futures:
            await future.wait_async()
        return [str(each.result(raise_on_failure=False)) for each in futures] + [
            await each.aresult(raise_on_failure=False) for each in states
        ]

    told = asyncio.run(around())
    assert [str(each) for each in told] == ["no locks today"] * 4


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Any]:
    processes: list[subprocess.Popen[str]] = []
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, str(script), str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def lines(process: subprocess.Popen[str], count: int) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline().strip() for _ in range(count)]


@pytest.mark.parametrize("killed", [True, False])
def test_a_process_waits_for_the_one_that_computes(started: Any, *, killed: bool) -> None:
    first = started()
    assert lines(first, 2) == ["begins", "computes"]
    second = started()
    assert lines(second, 1) == ["begins"]
    if killed:
        first.send_signal(signal.SIGKILL)
        assert lines(second, 1) == ["computes"]
        assert second.communicate("")[0] == "Completed\n"
    else:
        assert first.communicate("")[0] == "Completed\n"
        assert lines(second, 1) == ["Cached"]
