"""Runs whose functions run elsewhere: no thread waits for them, nor between their attempts."""

from __future__ import annotations

import gc
import threading
from typing import TYPE_CHECKING, Any

import pytest
from towpath import flow, task, unmapped
from towpath._clock import current_clock, system_clock
from towpath._engine import submissions
from towpath._engine.runs_in_steps import RunInSteps
from towpath._runners.remote.steps import Steps
from towpath.exceptions import ParameterError
from towpath.testing import Harness, harness

from tests.unit.sdk.runners.held import HeldRunner

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.subject("engine", "runners")


@pytest.fixture
def recorded() -> Iterator[Harness]:
    """What is recorded, in real time."""
    with harness() as recording:
        token = current_clock.set(system_clock)
        yield recording
        current_clock.reset(token)


@task
def add(number: int) -> int:
    return number + 1


def test_a_thousand_calls_under_way_take_few_threads(recorded: Harness) -> None:
    runner = HeldRunner(1000)

    @flow(task_runner=runner)
    def many() -> tuple[int, list[int]]:
        before = threading.active_count()
        futures = add.map(range(1000))
        calls = [runner.next() for _ in range(1000)]
        more = threading.active_count() - before
        for call in calls:
            call.end()
        return more, futures.result()

    more, results = many()
    assert more <= 10
    assert results == list(range(1, 1001))


def test_no_more_calls_are_under_way_than_there_are_places(recorded: Harness) -> None:
    runner = HeldRunner(2)

    @flow(task_runner=runner)
    def two_at_a_time() -> list[int]:
        futures = add.map(range(5))
        first, second = runner.next(), runner.next()
        assert runner.calls.empty()
        first.end()
        third = runner.next()
        assert runner.calls.empty()
        second.end()
        third.end()
        runner.next().end()
        runner.next().end()
        return futures.result()

    assert two_at_a_time() == [1, 2, 3, 4, 5]


def test_runs_that_have_ended_hold_nothing_of_their_way(recorded: Harness) -> None:
    runner = HeldRunner(20)
    before = _alive()  # Of other tests.
    alive: list[int] = []

    @flow(task_runner=runner)
    def many() -> int:
        futures = add.map(iter(range(10_000)))
        return sum(futures.result())

    def answer() -> None:
        for number in range(10_000):
            runner.calls.get(timeout=60).end()
            if number % 2000 == 0:
                alive.append(_alive())

    answering = threading.Thread(target=answer)
    answering.start()
    assert many() == sum(range(1, 10_001))
    answering.join()
    assert max(alive) - before <= 60


def _alive() -> int:
    return sum(type(each) is RunInSteps for each in gc.get_objects())


def test_a_run_between_attempts_has_no_thread_and_no_place(recorded: Harness) -> None:
    runner = HeldRunner(1)
    patient = add.with_options(name="patient", retries=1, retry_delay_seconds=3600)

    @flow(task_runner=runner)
    def waits() -> None:
        waiting = patient.submit(1)
        runner.next().fail(OSError("away"))
        other = add.submit(1)
        runner.next().end()
        assert other.result() == 2
        assert waiting.state.name == "Pending"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        waits()
    run = recorded.run("patient")
    assert run.states == ["PENDING", "RUNNING", "RETRYING", "CANCELLED"]
    assert run.message == "stopped, since the flow was interrupted"


def test_the_next_attempt_begins_after_its_delay(recorded: Harness) -> None:
    runner = HeldRunner(1)
    again = add.with_options(name="again", retries=1, retry_delay_seconds=0.01)

    @flow(task_runner=runner)
    def tries() -> int:
        future = again.submit(1)
        runner.next().fail(OSError("away"))
        runner.next().end()
        return future.result()

    assert tries() == 2
    assert recorded.run("again").states[1:] == ["RUNNING", "RETRYING", "RUNNING", "COMPLETED"]


def test_what_no_task_may_raise_ends_its_run_alone(recorded: Harness) -> None:
    runner = HeldRunner(2)

    @flow(task_runner=runner, final_state="return_value")
    def odd() -> list[str]:
        futures = add.map([1, 2, 3])
        for error in (SystemExit(4), KeyboardInterrupt()):
            runner.next().fail(error)
        runner.next().end()
        futures.wait()
        return [future.state.type.value for future in futures]

    assert odd() == ["CRASHED", "CANCELLED", "COMPLETED"]


def test_hooks_may_wait_for_other_runs(recorded: Harness) -> None:
    runner = HeldRunner(1)
    waited: list[int] = []

    def wait_for_another(*_: Any) -> None:
        waited.append(add.submit(10).result())

    hooked = add.with_options(name="hooked", on_completion=[wait_for_another])

    @flow(task_runner=runner)
    def hooks() -> None:
        futures = hooked.map(range(20))
        for _ in range(40):
            runner.next().end()
        assert futures.result() == list(range(1, 21))

    hooks()
    assert waited == [11] * 20


def test_cancelled_timers_are_dropped() -> None:
    steps, fired = Steps(1, name="test"), threading.Event()
    timers = [steps.later(3600, fired.set) for _ in range(1000)]
    for timer in timers:
        timer.cancel()
        timer.cancel()
    steps.later(0, fired.set)
    assert fired.wait(60)
    steps.close()
    assert len(steps._timers) < 200


def test_a_map_reads_an_iterator_as_its_runs_end(
    recorded: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submissions, "_FEWEST_AHEAD", 3)
    runner = HeldRunner(1)
    read: list[int] = []

    def items() -> Iterator[int]:
        for number in range(10):
            read.append(number)
            yield number

    @flow(task_runner=runner)
    def streams() -> list[int]:
        return add.map(items()).result()

    most: list[int] = []

    def answer() -> None:
        for number in range(10):
            call = runner.next()
            most.append(len(read) - number)
            call.end()

    answering = threading.Thread(target=answer)
    answering.start()
    assert streams() == list(range(1, 11))
    answering.join()
    assert max(most) <= 3


def test_an_iterator_beside_a_list_is_compared_with_it_first(recorded: Harness) -> None:
    @flow
    def both() -> None:
        with pytest.raises(ParameterError, match="lengths differ"):
            plus.map(iter([1, 2]), [1])
        assert plus.map(iter([1, 2]), [1, 1]).result() == [2, 3]
        assert plus.map(iter([1, 2]), b=unmapped(3)).result() == [4, 5]

    both()


@task
def plus(a: int, b: int) -> int:
    return a + b
