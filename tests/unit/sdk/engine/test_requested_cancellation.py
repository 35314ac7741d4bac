"""Cancellation that a server or the end of a process asks for, and runs under a lease."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from towpath import flow, task
from towpath._definitions.leased import arguments_of, run_leased
from towpath._delivery import messages
from towpath._delivery.directives import Directive, hand_on
from towpath._delivery.reports import StateReport
from towpath._engine.flow_run_start import RunLease
from towpath._runs.context import get_run_context
from towpath._runs.open_runs import cancel
from towpath._state_type import StateType
from towpath.exceptions import RunCancelled

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from tests.unit.sdk.recording import RecordingReporter

LEASE = RunLease(run_id="01900000-0000-7000-8000-000000000001", attempt=3, fence=5)
heard: list[str] = []


def hear(_flow: object, run: object, state: Any) -> None:
    heard.append(f"{state.type.value} {state.reason}")


def cancelled_once(begun: threading.Event) -> threading.Thread:
    """A thread that cancels the leased run once its code has begun."""

    def work() -> None:
        begun.wait()
        assert cancel(LEASE.run_id, "for a test")

    thread = threading.Thread(target=work)
    thread.start()
    return thread


begun = threading.Event()


@task
def endless() -> None:
    begun.set()
    while True:
        time.sleep(0.001)


@flow(retries=2, on_cancellation=[hear])
def computes() -> None:
    begun.set()
    while True:
        time.sleep(0.001)


@flow(retries=2, on_cancellation=[hear])
def fails_when_it_is_to_end() -> None:
    begun.set()
    try:
        while True:
            time.sleep(0.001)
    except BaseException:  # noqa: BLE001 - cleanup of a careless author
        raise ValueError("could not clean up") from None


@flow(on_cancellation=[hear])
def waits_for_tasks() -> None:
    for future in [endless.submit(), endless.submit()]:
        future.result()


@flow(on_cancellation=[hear])
def calls_a_task() -> None:
    endless()


@flow(on_cancellation=[hear])
def calls_a_subflow() -> None:
    computes()


@flow(on_cancellation=[hear])
async def awaits() -> None:
    begun.set()
    await asyncio.Event().wait()


@flow(on_cancellation=[hear])
def yields() -> Generator[int]:
    yield 1
    begun.set()
    while True:
        time.sleep(0.001)


@flow(on_cancellation=[hear])
async def yields_async() -> AsyncGenerator[int]:
    yield 1
    begun.set()
    await asyncio.Event().wait()


def set_begun(*_: object) -> bool:
    begun.set()
    return True


@flow(retries=1, retry_delay_seconds=3600, retry_condition_fn=set_begun, on_cancellation=[hear])
def waits_for_its_next_attempt() -> None:
    raise ValueError


@flow(retries=1, retry_delay_seconds=3600, retry_condition_fn=set_begun, on_cancellation=[hear])
async def awaits_its_next_attempt() -> None:
    raise ValueError


@pytest.mark.parametrize(
    "body",
    [
        computes,
        waits_for_tasks,
        calls_a_task,
        calls_a_subflow,
        awaits,
        yields,
        yields_async,
        waits_for_its_next_attempt,
        awaits_its_next_attempt,
    ],
    ids=lambda body: body.fn.__name__,
)
def test_a_requested_cancellation_ends_any_flow(body: Any, reporter: RecordingReporter):
    heard.clear()
    begun.clear()
    lease = RunLease(run_id=LEASE.run_id, fence=5)
    thread = cancelled_once(begun)
    run = run_leased(body, {}, lease)
    thread.join()
    last = reporter.states[LEASE.run_id][-1]
    assert (last.state, last.reason) == (StateType.CANCELLED, "REQUESTED")
    assert last.message.startswith("stopped, since its cancellation was requested: for a test")
    assert last.fence == 5
    assert run.state.type is StateType.CANCELLED
    assert heard[-1] == "CANCELLED REQUESTED"
    assert all(states[-1].state is StateType.CANCELLED for states in reporter.states.values())
    assert not cancel(LEASE.run_id, "again")


@pytest.mark.parametrize("body", [computes, awaits, awaits_its_next_attempt])
def test_a_run_past_its_deadline_times_out_and_is_not_tried_again(
    body: Any, reporter: RecordingReporter
):
    begun.clear()

    def end() -> None:
        begun.wait()
        assert cancel(LEASE.run_id, "too long", timed_out=True)

    thread = threading.Thread(target=end)
    thread.start()
    run = run_leased(body, {}, RunLease(run_id=LEASE.run_id, fence=5))
    thread.join()
    last = reporter.states[LEASE.run_id][-1]
    assert (last.state, last.message) == (StateType.TIMED_OUT, "stopped, since too long")
    assert run.state.type is StateType.TIMED_OUT


def test_a_run_that_fails_when_it_is_to_end_is_not_tried_again(reporter: RecordingReporter):
    begun.clear()
    thread = cancelled_once(begun)
    run = run_leased(fails_when_it_is_to_end, {}, RunLease(run_id=LEASE.run_id, fence=5))
    thread.join()
    states = [each.state for each in reporter.states[LEASE.run_id]]
    assert StateType.RETRYING not in states
    assert states[-1].terminal
    assert run.state.type is states[-1]


def test_the_caller_in_a_script_gets_the_cancellation(reporter: RecordingReporter):
    begun.clear()

    @flow
    def script() -> None:
        run_id = get_run_context().run_id
        hand_on(directive(run_id, "cancel"))
        while True:
            time.sleep(0.001)

    with pytest.raises(RunCancelled, match="requested: by alice") as raised:
        script()
    assert raised.value.reason == "REQUESTED"
    assert reporter.history("script") == ["RUNNING", "CANCELLED"]


def test_a_cancelled_subflow_ends_alone(reporter: RecordingReporter):
    @flow
    def inner() -> None:
        hand_on(directive(get_run_context().run_id, "cancel"))
        while True:
            time.sleep(0.001)

    @flow
    def outer() -> str:
        try:
            inner()
        except RunCancelled:
            return "went on"
        return ""

    assert outer() == "went on"
    assert reporter.history("inner") == ["RUNNING", "CANCELLED"]
    assert reporter.history("outer") == ["RUNNING", "COMPLETED"]


def directive(run_id: str, kind: Any) -> Directive:
    return Directive(run_id=run_id, kind=kind, revision=2, message="by alice", grace_seconds=None)


def test_directives_for_others_change_nothing(reporter: RecordingReporter):
    @flow
    def other() -> int:
        hand_on(directive("another", "cancel"))
        hand_on(directive(get_run_context().run_id, "pause"))
        return 1

    assert other() == 1


def test_an_abandoned_run_reports_nothing_more(reporter: RecordingReporter):
    heard.clear()

    @flow(on_cancellation=[hear], on_failure=[hear])
    def abandoned() -> None:
        hand_on(directive(get_run_context().run_id, "abandon"))
        while True:
            time.sleep(0.001)

    run = run_leased(abandoned, {}, LEASE)
    assert run.abandoned
    assert [state.state for state in reporter.states[LEASE.run_id]] == [StateType.RUNNING] * 2
    assert heard == []


def test_a_leased_run_reports_under_its_id_attempt_and_fence(reporter: RecordingReporter):
    @task
    def step(x: int) -> int:
        return x + 1

    @flow
    def leased(x: int) -> int:
        return step(x)

    run = run_leased(leased, arguments_of(leased, {"x": "4"}), LEASE)
    assert (run.state.type, run.state.value, run.abandoned) == (StateType.COMPLETED, 5, False)
    states = reporter.states[LEASE.run_id]
    assert [state.state.value for state in states] == ["RUNNING", "RUNNING", "COMPLETED"]
    assert {(state.attempt, state.fence) for state in states} == {(3, 5)}
    (child,) = [run for run in reporter.runs.values() if run.kind == "task"]
    assert (child.parent_run_id, child.root_run_id) == (LEASE.run_id, LEASE.run_id)
    assert {state.fence for state in reporter.states[child.run_id]} == {0}


def test_the_place_of_a_leased_run_is_reported_as_the_service_has_it(reporter: RecordingReporter):
    @flow
    def child() -> None:
        pass

    lease = RunLease(run_id="r", fence=1, parent_run_id="p", root_run_id="root", code_version="abc")
    run_leased(child, {}, lease)
    made = reporter.runs["r"]
    assert (made.parent_run_id, made.root_run_id, made.code_version) == ("p", "root", "abc")


def exits() -> None:
    raise SystemExit(3)


def raises() -> None:
    raise ValueError("no")


@pytest.mark.parametrize(
    ("body", "state"),
    [(exits, StateType.CRASHED), (raises, StateType.FAILED)],
    ids=["exit", "error"],
)
@pytest.mark.usefixtures("reporter")
def test_an_error_of_a_leased_run_is_in_its_state(body: Callable[[], None], state: StateType):
    run = run_leased(flow(body), {}, LEASE)
    assert run.state.type is state
    assert run.state.exception is not None


def test_the_fence_is_in_the_message():
    report = StateReport(state=StateType.RUNNING, time=1.0, fence=7)
    assert messages.transition("r", report).transition.fence == 7
