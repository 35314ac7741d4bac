"""Timeouts end what takes too long, whatever the user's code catches, and harm no report."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from towpath import _strikes, flow, get_run_logger, task
from towpath._delivery.session import use_reporter
from towpath._strikes import Strike, Struck, call_exposed, exposed, spared
from towpath.exceptions import DefinitionError, RunTimedOut

from tests.budgets import patience
from tests.unit.sdk.recording import RecordingReporter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def reporter() -> Iterator[RecordingReporter]:
    """Takes what the flows of a test report."""
    made = RecordingReporter()
    with use_reporter(made):
        yield made


LONG = 60.0
"""Seconds that a body would take: a test that gets so far has failed."""


def until_struck(step: Callable[[], object]) -> None:
    began = time.monotonic()
    while time.monotonic() - began < LONG:
        step()


def swallow(kind: type[BaseException]) -> Callable[[], None]:
    def step() -> None:
        with contextlib.suppress(kind):
            for _ in range(50):
                time.sleep(0.001)
        time.sleep(0.02)

    return step


def log_a_line() -> None:
    get_run_logger().info("a line")


@task
def inner() -> int:
    return 1


ENDED_AND_TRACED = """
import sys
from towpath._strikes import Strike, Struck, exposed

def traced():
    print("struck and traced")

try:
    with Strike(0.001), exposed():
        while True:
            pass
except Struck:
    pass
sys.settrace(lambda *_: None)
traced()
"""
STEPS: dict[str, Callable[[], object]] = {
    "logs": log_a_line,
    "swallows Exception": swallow(Exception),
    "swallows BaseException": swallow(BaseException),
    "calls tasks": inner,
}


@pytest.mark.parametrize("step", STEPS)
def test_a_timeout_lands_whatever_the_body_does(step: str, reporter: RecordingReporter) -> None:
    @task(timeout_seconds=0.1)
    def busy() -> None:
        until_struck(STEPS[step])

    @flow
    def outer() -> str:
        return str(busy(return_state=True).type.value)

    began = time.monotonic()
    assert outer() == "TIMED_OUT"
    assert time.monotonic() - began < LONG
    assert reporter.history("busy") == ["RUNNING", "TIMED_OUT"]
    assert reporter.history("outer")[-1] == "COMPLETED"


def test_a_flows_timeout_ends_it_whatever_retries_its_tasks_have(
    reporter: RecordingReporter,
) -> None:
    tries: list[int] = []

    @task(retries=3)
    def slow() -> None:
        tries.append(1)
        until_struck(lambda: time.sleep(0.001))

    @flow(timeout_seconds=0.1)
    def outer() -> None:
        slow()

    with pytest.raises(RunTimedOut, match=r"0\.1 s"):
        outer()
    assert tries == [1]
    assert reporter.history("slow") == ["RUNNING", "CANCELLED"]
    assert reporter.history("outer") == ["RUNNING", "TIMED_OUT"]


def test_a_flows_timeout_ends_a_wait_for_the_next_attempt(reporter: RecordingReporter) -> None:
    @task(retries=1, retry_delay_seconds=LONG)
    def fails() -> None:
        raise ValueError("no")

    @flow(timeout_seconds=0.1)
    def outer() -> None:
        fails()

    with pytest.raises(RunTimedOut):
        outer()
    assert reporter.history("fails") == ["RUNNING", "RETRYING", "CANCELLED"]


def test_a_flows_timeout_ends_a_wait_for_submitted_tasks_and_stops_them(
    reporter: RecordingReporter,
) -> None:
    @task
    def slow() -> None:
        until_struck(lambda: time.sleep(0.001))

    @flow(timeout_seconds=0.3)
    def outer() -> None:
        slow.submit().result()

    with pytest.raises(RunTimedOut):
        outer()
    assert reporter.history("slow")[-1] == "CANCELLED"


def test_a_flows_timeout_cancels_an_async_task_that_it_waits_for(
    reporter: RecordingReporter,
) -> None:
    @task
    async def stuck() -> None:
        await asyncio.Event().wait()

    @flow(timeout_seconds=0.1)
    def outer() -> None:
        stuck.submit().result()

    with pytest.raises(RunTimedOut):
        outer()
    assert reporter.history("stuck")[-1] == "CANCELLED"
    assert reporter.history("outer") == ["RUNNING", "TIMED_OUT"]


def test_the_cleanup_of_a_body_over_its_time_is_left_alone(reporter: RecordingReporter) -> None:
    cleaned: list[int] = []

    @task(timeout_seconds=0.05)
    def busy() -> None:
        try:
            until_struck(lambda: time.sleep(0.001))
        finally:
            for n in range(100):  # Longer than the pause between two strikes.
                time.sleep(0.005)
                get_run_logger().info("cleaning")
                cleaned.append(n)

    @flow
    def outer() -> None:
        busy(return_state=True)

    outer()
    assert cleaned == list(range(100))


def test_a_strike_never_falls_on_what_is_spared_and_is_met_behind_it() -> None:
    begun, struck = threading.Event(), threading.Event()
    passed: list[str] = []

    def body() -> None:
        with exposed():
            with spared():
                begun.set()
                assert struck.wait(LONG)
                for _ in range(1000):
                    time.sleep(0.0001)
                passed.append("spared")
            passed.append("behind it")

    def run() -> None:
        with strike:
            call_exposed(body)

    strike = Strike()

    def thread() -> None:
        try:
            run()
        except Struck:
            passed.append("struck")

    running = threading.Thread(target=thread)
    running.start()
    assert begun.wait(LONG)
    strike.demand()
    struck.set()
    running.join(LONG)
    assert passed == ["spared", "struck"]


def test_a_strike_that_decides_as_its_thread_is_spared_does_not_fall_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passed: list[str] = []
    decides = threading.Event()
    strike = Strike()

    def decide(thread: int) -> bool:
        decides.set()
        began = time.monotonic()
        while _strikes._targets[thread].way is not None and time.monotonic() - began < LONG:
            time.sleep(0.0001)
        return False

    def body() -> None:
        strike.demand()
        assert decides.wait(LONG)
        with spared():
            passed.append("begun")
            for _ in range(1000):
                time.sleep(0.0001)
            passed.append("spared")

    monkeypatch.setattr(_strikes, "_handles", decide)
    with contextlib.suppress(Struck), strike:
        call_exposed(body)
    assert passed == ["begun", "spared"]


def test_a_body_that_was_ended_leaves_the_interpreter_as_it_was() -> None:
    # Should Python 3.11 look for an exception that isn't there, a traced call would hang it.
    traced = subprocess.run(
        [sys.executable, "-c", ENDED_AND_TRACED],
        capture_output=True,
        text=True,
        check=False,
        timeout=patience(120),
    )
    assert traced.stdout == "struck and traced\n", traced.stderr


def test_no_strike_is_late() -> None:
    for _ in range(100):
        strike = Strike(0.001)
        with contextlib.suppress(Struck), strike, exposed():
            time.sleep(0.001)
        for _ in range(20):
            time.sleep(0.0001)


@pytest.mark.parametrize("bad", ["5", float("inf"), float("nan"), 10**12, -1, True])
def test_a_timeout_that_is_no_time_is_refused_where_it_is_written(bad: Any) -> None:
    with pytest.raises(DefinitionError, match="timeout_seconds"):
        task(timeout_seconds=bad)(lambda: None)


@pytest.mark.parametrize("bad", ["10", -1, [1, "2"], float("nan"), float("inf"), True])
def test_a_delay_that_is_no_time_is_refused_where_it_is_written(bad: Any) -> None:
    with pytest.raises(DefinitionError, match="retry_delay_seconds"):
        task(retries=1, retry_delay_seconds=bad)(lambda: None)


def test_one_tag_may_be_given_alone_and_others_than_texts_are_refused() -> None:
    assert task(tags="etl")(lambda: None).tags == {"etl"}
    numbers: Any = ["a", 1]
    with pytest.raises(DefinitionError, match="tags"):
        task(tags=numbers)(lambda: None)
