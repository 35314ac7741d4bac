"""How much time runs have left, and that their time stands still while they are paused."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from towpath import flow, task
from towpath._delivery.session import use_reporter
from towpath._engine import time_limit
from towpath._runners.remote import bodies
from towpath._runs import budget, time_left
from towpath._runs.budget import Budget
from towpath._runs.context import current_run
from towpath._runs.time_left import held, remaining_of
from towpath.client import _calls
from towpath.runtime import deadline_headers, remaining
from towpath.task_runners import ProcessPoolTaskRunner

from tests.unit.sdk.recording import RecordingReporter

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def reporter() -> Iterator[None]:
    with use_reporter(RecordingReporter()):
        yield


def test_the_least_limit_around_a_run_counts() -> None:
    @task(timeout_seconds=500)
    def narrow() -> float | None:
        return remaining()

    @task(timeout_seconds=5000)
    def wide() -> float | None:
        return remaining()

    @flow(timeout_seconds=1000)
    def around() -> list[float | None]:
        return [narrow(), wide(), wide.submit().result(), remaining()]

    found = cast("list[float]", around())
    assert [round(left / 500) for left in found] == [1, 2, 2, 2]
    assert all(left <= 1000 for left in found)


def test_an_async_run_knows_its_limit() -> None:
    @task(timeout_seconds=500)
    async def inner() -> float | None:
        return remaining()

    @flow(timeout_seconds=1000)
    async def around() -> list[float | None]:
        return [await inner(), remaining()]

    assert [round(cast("float", left) / 500) for left in asyncio.run(around())] == [1, 2]


def test_a_task_in_another_process_knows_the_limits_around_it() -> None:
    @task(timeout_seconds=500)
    def narrow() -> float | None:
        return remaining()

    @task(timeout_seconds=5000)
    def wide() -> list[float | None]:
        return [remaining(), narrow()]

    @task
    def free() -> float | None:
        return remaining()

    @flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
    def inside() -> list[Any]:
        return [*wide.submit().result(), narrow.submit().result(), free.submit().result()]

    @flow(timeout_seconds=1000)
    def around() -> list[Any]:
        return inside()

    found = around()
    assert [round(left / 500) for left in found] == [2, 1, 1, 2]
    assert all(left < 1000 for left in found)


def test_the_time_in_which_a_call_waits_for_a_worker_counts(clock: Clock) -> None:
    sent: Any = SimpleNamespace(deadline=clock.now + 30.0)
    free: Any = SimpleNamespace(deadline=None)
    clock.now += 10.0
    assert bodies.end_of(sent, None) == clock.now + 20.0
    assert bodies.end_of(sent, 5.0) == clock.now + 5.0
    assert bodies.end_of(free, 5.0) == clock.now + 5.0
    assert bodies.end_of(free, None) is None


def test_without_a_limit_there_is_no_budget() -> None:
    @flow
    def free() -> tuple[float | None, dict[str, str]]:
        return remaining(), deadline_headers()

    assert free() == (None, {})
    assert (remaining(), deadline_headers()) == (None, {})


def test_headers_are_those_of_grpc_and_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    run: Any = SimpleNamespace(budget=SimpleNamespace(left=1.5), ends=None, parent=None)
    token = current_run.set(run)
    try:
        assert deadline_headers() == {"grpc-timeout": "1500m", "connect-timeout-ms": "1500"}
        run.budget.left = 1e9
        assert deadline_headers()["grpc-timeout"] == "99999999m"
    finally:
        current_run.reset(token)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    for module in (budget, time_left, bodies):
        monkeypatch.setattr(module, "time", made)
    return made


def test_a_budget_stands_still_while_it_is_held(clock: Clock) -> None:
    moved: list[float | None] = []
    one = Budget(10.0, moved.append)
    outer: Any = SimpleNamespace(budget=Budget(50.0, moved.append), ends=None, parent=None)
    run: Any = SimpleNamespace(budget=one, ends=None, parent=outer)
    clock.now = 104.0
    with held(run):
        clock.now = 1104.0
        assert (one.left, remaining_of(run)) == (6.0, 6.0)
        with held(outer):
            clock.now = 1105.0
    assert moved == [None, None, 1111.0, 1151.0]
    clock.now = 1106.0
    assert (one.left, outer.budget.left) == (5.0, 45.0)
    clock.now = 9999.0
    assert remaining_of(run) == 0.0


def test_the_end_of_the_process_counts(clock: Clock) -> None:
    run: Any = SimpleNamespace(budget=None, ends=130.0, parent=None)
    assert remaining_of(run) == 30.0


@pytest.mark.parametrize(
    ("left", "given", "timeout"),
    [(None, None, None), (3.0, None, 3.0), (30.0, None, None), (3.0, 60.0, 3.0), (0.0, 5.0, 0.05)],
)
def test_calls_of_a_client_end_with_the_run(
    monkeypatch: pytest.MonkeyPatch, left: float | None, given: float | None, timeout: float | None
) -> None:
    def remaining_of(run: object) -> float | None:
        del run
        return left

    monkeypatch.setattr(_calls, "remaining_of", remaining_of)
    assert _calls.within_run(given) == timeout


def test_a_limit_does_not_strike_while_its_run_is_paused(monkeypatch: pytest.MonkeyPatch) -> None:
    watched: list[float | None] = []
    real = time_limit.Strike.postpone

    def postpone(strike: Any, when: float | None) -> None:
        watched.append(when)
        real(strike, when)

    monkeypatch.setattr(time_limit.Strike, "postpone", postpone)

    @flow(timeout_seconds=1000)
    def waits() -> None:
        run = current_run.get()
        assert run is not None
        with held(run):
            assert watched == [None]

    waits()
    assert watched[1] is not None
