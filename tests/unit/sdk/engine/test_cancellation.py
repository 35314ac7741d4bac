"""Cancellation that a flow's code deals with, and coroutines and generators that are left."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from types import GeneratorType
from typing import TYPE_CHECKING

import pytest
from towpath import flow, get_run_logger, task
from towpath.testing import harness

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator


@task
async def waits() -> None:
    await asyncio.Event().wait()


@flow
async def subflow() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("begun", [waits, subflow], ids=["task", "subflow"])
@pytest.mark.parametrize("way", ["timeout", "wait_for", "cancel"])
def test_a_flow_that_dealt_with_a_cancellation_completes(begun: object, way: str) -> None:
    @flow
    async def around() -> str:
        try:
            if way == "timeout":
                async with asyncio.timeout(0.05):
                    await begun()  # type: ignore[operator]
            elif way == "wait_for":
                await asyncio.wait_for(begun(), 0.05)  # type: ignore[operator]
            else:
                running = asyncio.ensure_future(begun())  # type: ignore[operator]
                await asyncio.sleep(0.05)
                running.cancel()
                await running
        except (TimeoutError, asyncio.CancelledError):
            return "dealt with"
        return "nothing"

    with harness() as recorded:
        assert asyncio.run(around()) == "dealt with"
    assert [run.state for run in recorded.runs] == ["COMPLETED", "CANCELLED"]


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
def test_a_flow_that_is_never_awaited_has_no_run() -> None:
    @flow
    async def begun() -> None:
        return None

    with harness() as recorded:
        begun().close()
    assert recorded.runs == []


def test_a_generator_that_a_plain_task_returns_comes_back_as_it_is() -> None:
    drawn: list[int] = []

    def endless() -> Generator[int]:
        while True:
            drawn.append(1)
            yield len(drawn)

    @task
    def gives() -> Generator[int]:
        return endless()

    @flow
    def around() -> Generator[int]:
        return gives()

    with harness():
        found = around()
    assert type(found) is GeneratorType
    assert drawn == []


def test_an_async_generator_left_early_cleans_up_within_its_run() -> None:
    @task
    async def items() -> AsyncGenerator[int]:
        try:
            yield 1
            yield 2
        finally:
            get_run_logger().info("closed")

    @flow
    async def leaves() -> int:
        async with aclosing(items()) as made:
            return await anext(made)

    with harness() as recorded:
        assert asyncio.run(leaves()) == 1
    assert recorded.run("items").state == "COMPLETED"
    assert [line.body for line in recorded.run("items").logs] == ["closed"]


def test_an_async_generator_can_be_sent_to() -> None:
    @task
    async def echo() -> AsyncGenerator[object, object]:
        got = yield "first"
        yield got

    @flow
    async def sends() -> object:
        async with aclosing(echo()) as made:
            await anext(made)
            return await made.asend("hi")

    with harness():
        assert asyncio.run(sends()) == "hi"
