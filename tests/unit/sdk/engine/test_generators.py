"""Flows and tasks of generator functions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from towpath import flow, task
from towpath.exceptions import DefinitionError, FlowRunFailed, ParameterError, RunTimedOut
from towpath.runtime import flow_run, task_run

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from towpath.testing import Harness


@task
def numbers(most: int) -> Generator[int, None, str]:
    for number in range(most):
        assert task_run.task_name == "numbers"
        yield number
    return "end"


@task
def fails() -> None:
    raise ValueError("boom")


def test_items_come_one_by_one_and_the_run_lasts_until_the_last(towpath_harness: Harness) -> None:
    seen: list[list[str]] = []

    @flow
    def takes() -> int:
        total = 0
        for number in numbers(3):
            seen.append(list(towpath_harness.run("numbers").states))
            assert task_run.task_name is None
            total += number
        return total

    assert takes() == 3
    assert seen == [["RUNNING"]] * 3
    assert towpath_harness.run("numbers").state == "COMPLETED"


def test_a_generator_can_be_sent_to_thrown_at_and_returns(towpath_harness: Harness) -> None:
    @task
    def echo() -> Generator[object, object, str]:
        got: object = None
        while got != "stop":
            try:
                got = yield got
            except KeyError as error:
                got = repr(error)
        return "stopped"

    @flow
    def talks() -> list[object]:
        stream = echo()
        heard = [next(stream), stream.send(1), stream.throw(KeyError("k"))]
        try:
            stream.send("stop")
        except StopIteration as stop:
            heard.append(stop.value)
        return heard

    assert talks() == [None, 1, "KeyError('k')", "stopped"]


def test_leaving_early_completes_the_run(towpath_harness: Harness) -> None:
    @flow
    def takes_one() -> int:
        for number in numbers(10):
            return number
        return -1

    assert takes_one() == 0
    assert towpath_harness.run("numbers").states == ["RUNNING", "COMPLETED"]


def test_retries_hold_until_the_first_item(towpath_harness: Harness) -> None:
    tries: list[int] = []

    @task(retries=5, retry_delay_seconds=1)
    def source(items_first: int) -> Generator[int, None, None]:
        tries.append(1)
        yield from range(items_first)
        if len(tries) < 3:
            raise ConnectionError("away")
        yield 7

    @flow
    def reads(items_first: int) -> list[int]:
        return list(source(items_first))

    assert reads(0) == [7]
    tries.clear()
    with pytest.raises(ConnectionError):
        reads(1)
    assert tries == [1]
    assert towpath_harness.runs[-1].states == ["RUNNING", "FAILED"]


def test_a_flow_can_give_items_and_still_fails_for_its_tasks(towpath_harness: Harness) -> None:
    @flow
    def gives() -> Generator[str | None, None, None]:
        yield flow_run.flow_name
        fails.submit()
        yield "second"

    stream = gives()
    assert [next(stream), next(stream)] == ["gives", "second"]
    with pytest.raises(FlowRunFailed, match="1 failed"):
        next(stream)
    assert towpath_harness.run("gives").state == "FAILED"


def test_async_generators_stream_and_time_out(towpath_harness: Harness) -> None:
    @task(timeout_seconds=0.05)
    async def ticks() -> AsyncGenerator[int, None]:
        yield 1
        await asyncio.Event().wait()

    @flow
    async def listens() -> AsyncGenerator[int, None]:
        async for tick in ticks():
            yield tick

    got: list[int] = []

    async def main() -> None:
        async for tick in listens():
            got.append(tick)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(RunTimedOut):
        asyncio.run(main())
    assert got == [1]
    assert towpath_harness.run("ticks").states == ["RUNNING", "TIMED_OUT"]


def test_a_stream_has_no_state_to_return(towpath_harness: Harness) -> None:
    @flow
    def asks() -> None:
        numbers(1, return_state=True)

    with pytest.raises(DefinitionError, match=r"\.submit\(return_state=True\)"):
        asks()


def test_names_that_calls_use_can_not_be_parameters() -> None:
    with pytest.raises(DefinitionError, match="'wait_for'"):

        @task
        def taken(wait_for: int) -> None: ...


def test_static_and_class_methods_can_be_tasks(towpath_harness: Harness) -> None:
    class Source:
        base = 40

        @task
        @classmethod
        def read(cls, more: int) -> int:
            return cls.base + more

        @task
        @staticmethod
        def plain(value: int) -> int:
            return value

    @flow
    def reads() -> list[int]:
        return [Source.read(2), Source().read.submit(1).result(), Source().plain(3)]

    assert reads() == [42, 41, 3]


def test_a_flow_whose_items_nobody_asks_for_never_ran(towpath_harness: Harness) -> None:
    @flow
    def gives(count: int) -> Generator[int, None, None]:
        yield from range(count)

    unused = gives(3)
    assert towpath_harness.runs == []
    with pytest.raises(ParameterError, match="'count'"):
        gives("three")
    assert list(unused) == [0, 1, 2]
    assert towpath_harness.run("gives").states == ["RUNNING", "COMPLETED"]


def test_another_attempt_of_a_flow_is_judged_by_its_own_tasks(towpath_harness: Harness) -> None:
    @flow(retries=1)
    def gives() -> Generator[int, None, None]:
        if flow_run.run_count == 1:
            fails.submit().wait()
            raise ConnectionError("away")
        yield 1

    assert list(gives()) == [1]
    assert towpath_harness.run("gives").state == "COMPLETED"
