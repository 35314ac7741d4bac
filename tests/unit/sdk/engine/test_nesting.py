"""Runs that nest deeply: beyond one stack, up to the limit, and ended from outside."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections import Counter
from contextvars import ContextVar
from typing import Any

import pytest
from towpath import _strikes, flow, task
from towpath._runs import stack
from towpath.exceptions import NestingError, RunTimedOut
from towpath.testing import harness

_variable: ContextVar[str] = ContextVar("variable", default="unset")


@flow
def sync_flow(levels: int) -> int:
    return sync_flow(levels - 1) + 1 if levels else 0


@task
def sync_task(levels: int) -> int:
    return sync_task(levels - 1) + 1 if levels else 0


@flow
async def async_flow(levels: int) -> int:
    return await async_flow(levels - 1) + 1 if levels else 0


@task
async def async_task(levels: int) -> int:
    return await async_task(levels - 1) + 1 if levels else 0


@task
async def submits(levels: int) -> int:
    return submits.submit(levels - 1).result() + 1 if levels else 0


@flow
def around(levels: int) -> int:
    return submits.submit(levels).result()


def outcome_of(kind: Any, levels: int) -> Any:
    outcome = kind(levels)
    return asyncio.run(outcome) if asyncio.iscoroutine(outcome) else outcome


@pytest.mark.parametrize(
    ("kind", "levels"),
    [(sync_flow, 1000), (async_flow, 1000), (sync_task, 300), (async_task, 300), (around, 120)],
)
def test_runs_nest_beyond_one_stack(kind: Any, levels: int) -> None:
    with harness() as recorded:
        assert outcome_of(kind, levels) == levels
    assert {run.state for run in recorded.runs} == {"COMPLETED"}
    assert len(recorded.runs) >= levels + 1


@pytest.mark.parametrize("kind", [sync_flow, async_flow, sync_task, async_task, around])
def test_a_recursion_without_an_end_ends_at_the_limit(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack, "MOST_LEVELS", 80)
    with harness() as recorded, pytest.raises(NestingError, match="limit is 80") as error:
        outcome_of(kind, 10**6)
    assert isinstance(error.value, RecursionError)
    assert Counter(run.state for run in recorded.runs) == {"FAILED": 80}


def test_the_error_of_the_limit_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "MOST_LEVELS", 5)

    @flow(retries=2)
    def recursive() -> None:
        recursive()

    with harness() as recorded, pytest.raises(NestingError):
        recursive()
    assert len(recorded.runs) == 5


def deep(levels: int, body: Any) -> Any:
    """Calls a body below so many levels of tasks, in a thread that isn't this one."""

    @task
    def level(left: int) -> Any:
        return level(left - 1) if left else body()

    return level(levels)


def test_a_timeout_ends_what_runs_in_a_fresh_thread() -> None:
    cleaned: list[bool] = []
    flows_thread = threading.get_ident()

    def body() -> None:
        # The time of the flow is over now, however fast the machine is.
        _strikes._targets[flows_thread].strikes[0].demand()
        try:
            while True:
                time.sleep(0.001)
        finally:
            cleaned.append(threading.get_ident() != flows_thread)

    @flow(timeout_seconds=3600)
    def limited() -> None:
        deep(70, body)

    with harness() as recorded, pytest.raises(RunTimedOut):
        limited()
    assert cleaned == [True]
    assert Counter(run.state for run in recorded.runs) == {"TIMED_OUT": 1, "CANCELLED": 71}


def test_ctrl_c_ends_what_runs_in_a_fresh_thread() -> None:
    heard: list[int] = []

    def hear(number: int, _: object) -> None:
        heard.append(number)
        if len(heard) == 1:
            raise KeyboardInterrupt

    def body() -> None:
        while True:
            if not heard:
                # Again, since Python overlooks a signal that falls just before a wait.
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            time.sleep(0.001)

    @flow
    def interrupted() -> None:
        deep(70, body)

    earlier = signal.signal(signal.SIGINT, hear)
    try:
        with harness() as recorded, pytest.raises(KeyboardInterrupt):
            interrupted()
    finally:
        signal.signal(signal.SIGINT, earlier)
    assert Counter(run.state for run in recorded.runs) == {"CANCELLED": 72}
    assert {run.message for run in recorded.runs} == {"interrupted by KeyboardInterrupt"}


def test_a_fresh_thread_has_the_context_variables_of_the_call() -> None:
    @flow
    def outer() -> str:
        _variable.set("of the flow")
        value: str = deep(70, _variable.get)
        return value

    with harness():
        assert outer() == "of the flow"


def test_a_cancellation_reaches_a_fresh_task() -> None:
    waits = asyncio.Event()
    cleaned: list[int] = []

    @task
    async def level(left: int) -> None:
        if left:
            await level(left - 1)
        waits.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(left)

    @flow
    async def outer() -> str:
        running = asyncio.create_task(level(130))
        await waits.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert cleaned == [0]
        return "dealt with"

    with harness() as recorded:
        assert asyncio.run(outer()) == "dealt with"
    assert Counter(run.state for run in recorded.runs) == {"COMPLETED": 1, "CANCELLED": 131}
