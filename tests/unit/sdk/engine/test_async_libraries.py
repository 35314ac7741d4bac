"""Async flows and tasks run under asyncio, and refuse other libraries before a run begins."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import anyio
import pytest
import trio
from towpath import flow, quote, task
from towpath.exceptions import EventLoopError
from towpath.testing import harness

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable


@flow
async def async_flow() -> int:
    return 1


@task
async def async_task() -> int:
    return 1


@flow
async def streaming_flow() -> AsyncGenerator[int]:
    yield 1


@task
async def streaming_task() -> AsyncGenerator[int]:
    yield 1


async def stream_a_flow() -> list[int]:
    return [item async for item in streaming_flow()]


async def stream_a_task() -> list[int]:
    return [item async for item in streaming_task()]


def with_trio(function: Callable[[], Any]) -> Any:
    return trio.run(function)


def with_anyio_on_trio(function: Callable[[], Any]) -> Any:
    return anyio.run(function, backend="trio")


@pytest.mark.parametrize("run", [with_trio, with_anyio_on_trio])
@pytest.mark.parametrize("begun", [async_flow, async_task, stream_a_flow, stream_a_task])
def test_trio_is_refused_before_a_run_begins(begun: Any, run: Callable[[Any], Any]) -> None:
    with (
        harness() as recorded,
        pytest.raises(EventLoopError, match=r"under trio, .* by asyncio\.run"),
    ):
        run(begun)
    assert recorded.runs == []


@pytest.mark.parametrize("begun", [async_flow, async_task])
def test_code_without_a_loop_is_refused(begun: Any) -> None:
    with harness(), pytest.raises(EventLoopError, match="under no event loop of asyncio"):
        begun().send(None)


def test_anyio_on_asyncio_is_asyncio() -> None:
    with harness():
        assert anyio.run(async_flow, backend="asyncio") == 1
        assert anyio.run(stream_a_flow, backend="asyncio") == [1]


def test_a_future_refuses_to_be_awaited_under_trio() -> None:
    @task
    def refuses(future: Any) -> str:
        async def waits() -> None:
            await future

        with pytest.raises(EventLoopError, match="the future of waits"):
            trio.run(waits)
        return "refused"

    @task
    def waits() -> None:
        assert go_on.wait(20)

    @flow
    def around() -> str:
        future = waits.submit()
        try:
            return refuses(quote(future))
        finally:
            go_on.set()

    go_on = threading.Event()
    with harness():
        assert around() == "refused"


@pytest.mark.parametrize("run", [with_trio, with_anyio_on_trio])
def test_an_ordinary_flow_runs_in_the_code_of_trio(run: Callable[[Any], Any]) -> None:
    @task
    async def calls() -> int:
        return await async_task() + await async_flow()

    @flow
    def ordinary() -> int:
        return calls.submit().result()

    async def main() -> int:
        return ordinary()

    with harness():
        assert run(main) == 2


def test_trio_as_a_guest_of_asyncio_is_refused() -> None:
    @flow
    async def around() -> Any:
        ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        trio.lowlevel.start_guest_run(
            async_task,
            run_sync_soon_threadsafe=asyncio.get_running_loop().call_soon_threadsafe,
            done_callback=ended.set_result,
        )
        outcome = await ended
        assert await async_task() == 1
        return outcome.unwrap()

    with harness(), pytest.raises(EventLoopError, match="under trio"):
        asyncio.run(around())
