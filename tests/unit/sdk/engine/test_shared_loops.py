"""Submitted async tasks share a loop, and a wait in the loop's thread doesn't stop it."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
import threading
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pytest
from towpath import _strikes, flow, task
from towpath._runs.loops import SharedLoop, loop_here
from towpath.exceptions import RunTimedOut
from towpath.futures import as_completed, wait
from towpath.task_runners import InlineTaskRunner, ProcessPoolTaskRunner, ThreadPoolTaskRunner
from towpath.testing import harness

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from towpath.futures import Future
    from towpath.task_runners import TaskRunner


class Client:
    """A client with a pool of connections: asyncio binds its lock to the loop that waits for it."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def get(self, item: int) -> int:
        async with self._lock:
            for _ in range(3):
                await asyncio.sleep(0)
            return item


@task
async def fetch(client: Client, item: int) -> int:
    return await client.get(item)


@task
async def where() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


@task
async def echo(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


def test_tasks_of_an_ordinary_flow_share_a_client(runner: TaskRunner) -> None:
    @flow(task_runner=runner)
    def around() -> list[int]:
        client = Client()
        return [future.result() for future in [fetch.submit(client, n) for n in range(5)]]

    with harness():
        assert around() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("way", ["result", "await", "begun", "as_completed", "map"])
def test_an_async_flow_and_its_tasks_share_a_client(way: str, runner: TaskRunner) -> None:
    @flow(task_runner=runner)
    async def around() -> list[int]:
        client = Client()
        own = asyncio.gather(client.get(7), client.get(8))
        await asyncio.sleep(0)
        if way == "map":
            results = fetch.map(client, [0, 1, 2]).result()
        else:
            futures = [fetch.submit(client, number) for number in range(3)]
            results = await finished(way, futures)
        return [*await own, *results]

    async def finished(way: str, futures: list[Future[int]]) -> list[int]:
        if way == "await":
            return [await future for future in futures]
        if way == "begun":
            # The tasks have begun in this loop, and their ends are waited for in its thread.
            await asyncio.sleep(0)
        if way == "as_completed":
            return sorted(future.result() for future in as_completed(futures))
        wait(futures)
        return [future.result() for future in futures]

    with harness():
        assert asyncio.run(around()) == [7, 8, 0, 1, 2]


def test_submitted_tasks_run_in_the_loop_of_their_async_flow() -> None:
    @flow
    async def around() -> bool:
        inner = await echo.submit(1)
        return inner == 1 and where.submit().result() is asyncio.get_running_loop()

    @flow
    def ordinary() -> int:
        return len({*(where.submit().result() for _ in range(3)), below()})

    @flow
    def below() -> asyncio.AbstractEventLoop:
        return where.submit().result()

    with harness():
        assert asyncio.run(around())
        assert ordinary() == 1


def test_calls_in_a_worker_process_share_a_loop() -> None:
    @task
    async def numbered() -> list[bool]:
        loop = asyncio.get_running_loop()
        # The process's memory stays from one call to the next.
        loops: list[Any] = vars(sys).setdefault("loops_of_test", [])
        loops.append(loop)
        return [one is loop for one in loops]

    @flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
    def around() -> list[list[bool]]:
        return [numbered.submit().result() for _ in range(2)]

    with harness():
        assert around() == [[True], [True, True]]


def test_a_timeout_of_a_wait_in_the_loops_own_thread_is_kept() -> None:
    @flow
    async def around() -> str:
        go_on = asyncio.Event()

        @task
        async def waits() -> str:
            await go_on.wait()
            return "went on"

        future = waits.submit()
        with pytest.raises(TimeoutError):
            future.result(timeout=0.01)
        go_on.set()
        return future.result()

    with harness():
        assert asyncio.run(around()) == "went on"


def test_waits_of_many_subflows_in_one_loop_end() -> None:
    @flow
    async def each(number: int) -> int:
        return echo.submit(number).result()

    @flow
    async def around() -> int:
        return sum(await asyncio.gather(*(each(number) for number in range(150))))

    with harness():
        assert asyncio.run(around()) == sum(range(150))


def test_what_was_ready_before_a_wait_is_run_once() -> None:
    ran: list[int] = []

    async def waits() -> int:
        return echo.submit(20).result()

    async def other(number: int) -> None:
        ran.append(number)

    @flow
    async def around() -> int:
        # All are ready in one step of the loop, which counts them before the first one waits.
        first, *_ = await asyncio.gather(waits(), *(other(number) for number in range(20)))
        return first

    with harness():
        assert asyncio.run(around()) == 20
    assert ran == list(range(20))


def test_work_that_comes_from_elsewhere_ends_the_rest_of_a_waiting_loop() -> None:
    @task
    def submits(loop: SharedLoop) -> int:
        while not loop.waits:
            time.sleep(0.001)
        return echo.submit(5).result()

    @flow(validate_parameters=False)
    async def around() -> int:
        loop = loop_here()
        assert loop is not None
        return submits.submit(loop).result()

    with harness():
        assert asyncio.run(around()) == 5


class _OtherLoop(asyncio.SelectorEventLoop):
    """A loop that is driven in a way of its own."""

    def run_forever(self) -> None:
        super().run_forever()


def test_in_a_loop_of_an_unknown_kind_tasks_run_in_another_one() -> None:
    @flow
    async def around() -> bool:
        return where.submit().result() is not asyncio.get_running_loop()

    with harness(), asyncio.Runner(loop_factory=_OtherLoop) as loop:
        assert loop.run(around())


def test_slots_count_async_tasks_and_are_given_up_while_they_wait() -> None:
    running: list[int] = [0, 0]

    @task
    async def counted(depth: int) -> int:
        running[0] += 1
        running[1] = max(running)
        for _ in range(3):
            await asyncio.sleep(0)
        running[0] -= 1
        if not depth:
            return 0
        below = counted.submit(depth - 1)
        return 1 + (await below if depth % 2 else below.result())

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=2))
    def around() -> list[int]:
        return counted.map([3, 3, 3, 3]).result()

    with harness():
        assert around() == [3, 3, 3, 3]
    assert running[1] <= 2


def test_a_timeout_in_a_shared_loop_ends_its_own_task_only() -> None:
    @task(timeout_seconds=0.01)
    async def limited() -> None:
        await asyncio.Event().wait()

    @flow
    def around() -> str:
        timed, other = limited.submit(), echo.submit("other")
        assert isinstance(timed.result(raise_on_failure=False), RunTimedOut)
        return other.result() + echo.submit(" later").result()

    with harness() as recorded:
        assert around() == "other later"
    states = {run.name: run.state for run in recorded.runs}
    assert states["limited"] == "TIMED_OUT"


def test_a_timeout_passes_by_what_its_loop_runs_meanwhile() -> None:
    begun: list[Future[str]] = []

    @task
    def plain() -> str:
        return "done"

    @task
    async def beside(strike: _strikes.Strike) -> str:
        # The time of the task that waits in this thread is over now.
        strike.demand()
        return plain()

    @task
    async def waits(go_on: asyncio.Event) -> None:
        await go_on.wait()

    @task(timeout_seconds=3600)
    def limited(go_on: asyncio.Event) -> None:
        strike = _strikes._targets[threading.get_ident()].strikes[-1]
        begun.append(beside.submit(strike))
        waits.submit(go_on).result()

    @flow
    async def around() -> str:
        go_on = asyncio.Event()
        with pytest.raises(RunTimedOut):
            limited(go_on)
        go_on.set()
        return await begun[0]

    with harness() as recorded:
        assert asyncio.run(around()) == "done"
    assert [run.state for run in recorded.runs if run.name == "plain"] == ["COMPLETED"]


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_a_flows_timeout_cancels_what_runs_in_its_loop(*, is_async: bool) -> None:
    cleaned: list[str] = []

    @task
    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append("cleaned")

    @flow(timeout_seconds=0.1)
    def ordinary() -> None:
        waits.submit().result()

    @flow(timeout_seconds=0.1)
    async def around() -> None:
        await waits.submit()

    with harness() as recorded, pytest.raises(RunTimedOut):
        asyncio.run(around()) if is_async else ordinary()
    assert cleaned == ["cleaned"]
    assert [run.state for run in recorded.runs] == ["TIMED_OUT", "CANCELLED"]


_variable: ContextVar[str] = ContextVar("variable", default="unset")


def test_context_variables_are_those_of_the_submission(runner: TaskRunner) -> None:
    @task
    async def seen(after: object = None) -> str:
        del after
        before = _variable.get()
        _variable.set("of the task")
        return before

    @flow(task_runner=runner)
    def around() -> list[str]:
        go_on = threading.Event()
        first = echo.submit(1) if isinstance(runner, InlineTaskRunner) else later.submit(go_on)
        _variable.set("submitted")
        futures = [seen.submit(), seen.submit(first)]
        _variable.set("changed")
        go_on.set()
        return [future.result() for future in futures]

    @task
    def later(go_on: threading.Event) -> None:
        assert go_on.wait(20)

    with harness():
        assert around() == ["submitted", "submitted"]


def test_the_loop_is_closed_in_the_end(caplog: pytest.LogCaptureFixture) -> None:
    left: list[str] = []
    kept: list[Any] = []

    async def items() -> AsyncGenerator[int]:
        try:
            yield 1
            yield 2
        finally:
            left.append("generator")

    async def background() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            left.append("background")

    @task
    async def leaves() -> asyncio.AbstractEventLoop:
        kept.append(items())
        await anext(kept[0])
        kept.append(asyncio.create_task(background()))
        await asyncio.sleep(0)
        return asyncio.get_running_loop()

    @flow
    def around() -> asyncio.AbstractEventLoop:
        return leaves.submit().result()

    others = threading.enumerate()
    with harness(), caplog.at_level(logging.WARNING):
        assert around().is_closed()
    kept.clear()
    gc.collect()
    assert sorted(left) == ["background", "generator"]
    assert caplog.records == []
    # Other tests may have left loops for good.
    mine = [one for one in threading.enumerate() if one not in others]
    assert not [one for one in mine if one.name.startswith("towpath-loop")]


def test_runs_whose_loop_was_left_for_good_have_an_end() -> None:
    @task
    async def waits() -> None:
        await asyncio.Event().wait()

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=1))
    async def around() -> None:
        begun, queued = waits.submit(), waits.submit()
        await begun
        await queued

    with harness() as recorded:
        loop = asyncio.new_event_loop()
        coroutine = around()
        running = loop.create_task(coroutine)
        for _ in range(4):
            loop.call_soon(loop.stop)
            loop.run_forever()
        loop.close()
        coroutine.close()
        setattr(running, "_log_destroy_pending", False)  # noqa: B010 - private
    assert [run.state for run in recorded.runs] == ["CRASHED", "CRASHED", "CANCELLED"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system with fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_flow_in_a_forked_child_has_loops_of_its_own() -> None:
    @flow
    def below() -> int:
        return echo.submit(5).result()

    @flow
    def around() -> int:
        echo.submit(1).result()
        child = os.fork()
        if not child:
            code = 1
            try:
                code = below()
            finally:
                os._exit(code)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    with harness():
        assert around() == 5
