"""Loops beside the calls go on whatever happens, and end with their context."""

from __future__ import annotations

import asyncio
import logging

import pytest
from towpath_service.app.background import background


async def test_a_loop_that_fails_is_logged_and_begins_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    begun = 0
    again = asyncio.Event()

    async def loop() -> None:
        nonlocal begun
        begun += 1
        if begun == 3:
            again.set()
            await asyncio.Event().wait()
        raise RuntimeError("broken")

    with caplog.at_level(logging.ERROR):
        async with background({"test": loop}, restart_seconds=0), asyncio.timeout(10):
            await again.wait()
    assert begun == 3
    assert [record.exc_text is not None for record in caplog.records] == [True, True]


async def test_loops_end_with_the_context() -> None:
    ended: list[str] = []
    begun = asyncio.Barrier(3)

    async def loop(name: str) -> None:
        try:
            await begun.wait()
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    async with background({"one": lambda: loop("one"), "two": lambda: loop("two")}):
        async with asyncio.timeout(10):
            await begun.wait()
        assert ended == []
    assert sorted(ended) == ["one", "two"]


async def test_a_failure_of_the_body_is_the_bodys() -> None:
    async def loop() -> None:
        await asyncio.Event().wait()

    with pytest.raises(ValueError, match="mine"):
        async with background({"test": loop}):
            raise ValueError("mine")
