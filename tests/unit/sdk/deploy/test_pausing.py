"""`pause_flow_run`, `suspend_flow_run` and `resume_flow_run` in flows, with a stand-in service."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest
from pydantic import BaseModel
from towpath import flow, pause_flow_run, resume_flow_run, suspend_flow_run, task
from towpath._definitions.leased import arguments_of, run_leased
from towpath._delivery.session import use_reporter
from towpath._engine.flow_run_start import RunLease
from towpath._runs.open_runs import cancel
from towpath._state_type import StateType
from towpath.exceptions import (
    DefinitionError,
    FlowPauseTimeout,
    MissingContextError,
    NotFound,
    RpcError,
    RunCancelled,
    ServerUnreachable,
)
from towpath.flow_runs import apause_flow_run, aresume_flow_run, asuspend_flow_run
from towpath.input import RunInput

from tests.unit.sdk.deploy.pause_service import (
    Service,
    answered,
    reporter,
    service,
    told,
    waiting,
)
from tests.unit.sdk.recording import RecordingReporter

__all__ = ["reporter", "service"]

LEASE = RunLease(run_id="01900000-0000-7000-8000-000000000001", attempt=1, fence=5)


class Approval(RunInput):
    approve: bool
    note: str = ""


def test_an_answer_comes_as_the_input_that_was_asked_for(
    service: Service, reporter: RecordingReporter
):
    @flow
    def release() -> Approval:
        wanted = Approval.with_initial_data("Ship it?", note="as always")
        return pause_flow_run(wait_for_input=wanted, timeout=90)

    service.answers = [waiting(), answered('{"approve": true}')]
    found = release()
    assert (found.approve, found.note) == (True, "as always")
    assert isinstance(found, Approval)
    assert told(reporter) == [
        ("RUNNING", ""),
        ("PAUSED", "BLOCKED"),
        ("RUNNING", "RESUMED"),
        ("COMPLETED", ""),
    ]
    [states] = reporter.states.values()
    assert (states[1].message, states[2].message) == ("Ship it?", "resumed by users/ada")
    pause = states[1].pause
    assert pause is not None
    assert (pause.key, pause.timeout_seconds) == ("1", 90)
    schema = json.loads(pause.input_schema)
    assert schema["required"] == ["approve"]
    assert schema["properties"]["note"]["default"] == "as always"


class Model(BaseModel):
    number: int


@pytest.mark.parametrize(
    ("wanted", "text", "found"),
    [
        (None, "", None),
        (int, '{"value": 3}', 3),
        (list[str], '{"value": ["a"]}', ["a"]),
        (Model, '{"number": 4}', Model(number=4)),
    ],
)
@pytest.mark.usefixtures("reporter")
def test_any_type_is_asked_for(service: Service, wanted: Any, text: str, found: Any):
    @flow
    def asks() -> Any:
        return pause_flow_run(wanted)

    service.answers = [answered(text)]
    assert asks() == found


@pytest.mark.usefixtures("reporter")
def test_pauses_are_numbered_by_attempt_or_named(service: Service):
    @flow(retries=1, retry_delay_seconds=0)
    def asks() -> None:
        pause_flow_run()
        pause_flow_run(key="mine")
        pause_flow_run()
        if not fails:
            fails.append(1)
            raise ValueError("once")

    fails: list[int] = []
    service.answers = [answered()]
    asks()
    # The second attempt asks for the answers of the first before it pauses.
    assert [key for key, _ in service.asked] == ["1", "mine", "3"] * 2
    assert [seconds for _, seconds in service.asked][3:] == [0.0] * 3


def test_another_attempt_gets_its_answers_and_pauses_no_more(
    service: Service, reporter: RecordingReporter
):
    @flow
    def asks() -> int:
        return pause_flow_run(int)

    service.answers = [answered('{"value": 3}')]
    run = run_leased(asks, arguments_of(asks, {}), LEASE)
    assert run.state.result() == 3
    assert ("PAUSED", "BLOCKED") not in told(reporter)


def test_nobody_resumes_it_in_time(service: Service, reporter: RecordingReporter):
    @flow
    def asks() -> None:
        pause_flow_run(timeout=1)

    service.answers = [waiting(), waiting(expired=True)]
    with pytest.raises(FlowPauseTimeout):
        asks()
    assert told(reporter)[-2:] == [("RUNNING", "PAUSE_TIMEOUT"), ("FAILED", "PAUSE_TIMEOUT")]


def test_a_pause_that_the_service_never_hears_of_is_over_at_its_timeout(
    service: Service, reporter: RecordingReporter
):
    @flow
    def asks() -> str:
        try:
            pause_flow_run(timeout=0)
        except FlowPauseTimeout:
            return "later"
        return "now"

    service.answers = [ServerUnreachable("away", code="UNAVAILABLE")]
    assert asks() == "later"
    assert told(reporter)[-1] == ("COMPLETED", "")


@pytest.mark.usefixtures("reporter")
def test_a_service_that_is_away_or_behind_is_asked_again(service: Service):
    @flow
    def asks() -> int:
        return pause_flow_run(int)

    service.answers = [
        ServerUnreachable("away", code="UNAVAILABLE"),
        NotFound("no such run", code="NOT_FOUND"),
        (StateType.RUNNING, None),
        answered('{"value": 3}'),
    ]
    assert asks() == 3


def test_a_refusal_of_the_service_is_raised(service: Service, reporter: RecordingReporter):
    @flow
    def asks() -> None:
        pause_flow_run()

    service.answers = [RpcError("no", code="PERMISSION_DENIED")]
    with pytest.raises(RpcError, match="no"):
        asks()
    assert told(reporter)[-2:] == [("RUNNING", "PAUSE_FAILED"), ("FAILED", "")]


def test_a_paused_run_is_cancelled(service: Service, reporter: RecordingReporter):
    @flow
    def asks() -> None:
        pause_flow_run()

    def stop() -> None:
        service.called.wait()
        [run_id] = reporter.runs
        assert cancel(run_id, "for a test")

    service.answers = [None]
    thread = threading.Thread(target=stop)
    thread.start()
    with pytest.raises(RunCancelled):
        asks()
    thread.join()
    assert told(reporter)[-2:] == [("PAUSED", "BLOCKED"), ("CANCELLED", "REQUESTED")]


def test_a_run_that_the_service_is_to_cancel_is(service: Service, reporter: RecordingReporter):
    @flow
    def asks() -> None:
        pause_flow_run()

    service.answers = [(StateType.CANCELLING, waiting())]
    with pytest.raises(RunCancelled):
        asks()
    assert told(reporter)[-1] == ("CANCELLED", "REQUESTED")


@pytest.mark.usefixtures("reporter")
def test_async_flows_pause_without_blocking_their_loop(service: Service):
    async def other() -> str:
        await asyncio.sleep(0)
        service.hold.set()
        return "went on"

    @flow
    async def asks() -> Any:
        first: Any = pause_flow_run(int)
        both: Any = asyncio.gather(other(), first, apause_flow_run(int, key="b"))
        return await both

    service.answers = [None, answered('{"value": 3}')]
    assert asyncio.run(asks()) == ["went on", 3, 3]


def test_a_suspended_flow_leaves_its_run_as_it_is(service: Service, reporter: RecordingReporter):
    @task
    def slow() -> str:
        service.called.wait()
        return "done"

    @flow
    def asks() -> None:
        submitted.append(slow.submit())
        service.called.set()
        try:
            suspend_flow_run(bool, timeout=60)
        except Exception as error:  # noqa: BLE001 - as a flow may have it
            pytest.fail(f"{error!r} is no error of the flow")

    submitted: list[Any] = []
    service.answers = [(StateType.RUNNING, None)]
    run = run_leased(asks, arguments_of(asks, {}), LEASE)
    assert run.abandoned
    assert told(reporter) == [("RUNNING", ""), ("RUNNING", ""), ("PAUSED", "SUSPENDED")]
    assert reporter.states[LEASE.run_id][-1].fence == 5
    # What it has submitted ends first.
    assert submitted[0].result() == "done"


def test_a_suspended_flow_gets_its_answer_when_it_runs_again(
    service: Service, reporter: RecordingReporter
):
    @flow
    async def asks() -> bool:
        first: bool = await asuspend_flow_run(bool)
        return first

    service.answers = [answered('{"value": true}')]
    assert run_leased(asks, arguments_of(asks, {}), LEASE).state.result() is True
    assert told(reporter)[-1] == ("COMPLETED", "")


@pytest.mark.usefixtures("service", "reporter")
def test_where_nothing_can_be_paused():
    with pytest.raises(MissingContextError, match="only within a flow"):
        pause_flow_run()

    @task
    def within_a_task() -> None:
        pause_flow_run()

    @flow
    def of_a_task() -> None:
        within_a_task()

    @flow
    def below() -> None:
        suspend_flow_run()

    @flow
    def above() -> None:
        below()

    for call, why in ((of_a_task, "not in a task"), (above, "subflow"), (below, "deployment")):
        with pytest.raises(MissingContextError, match=why):
            call()


def test_what_is_no_input_is_refused():
    with pytest.raises(DefinitionError, match="no field nothing"):
        Approval.with_initial_data(nothing=1)

    @flow
    def asks() -> None:
        pause_flow_run(threading.Event)

    with use_reporter(RecordingReporter()), pytest.raises(DefinitionError, match="wait_for_input"):
        asks()


def test_runs_are_resumed_and_kept_from_starting_by_id(service: Service):
    resume_flow_run("a", {"approve": True})
    suspend_flow_run(flow_run_id="b")

    async def both() -> None:
        await aresume_flow_run("c")
        await asuspend_flow_run(flow_run_id="d")

    asyncio.run(both())
    assert service.resumed == [("a", {"approve": True}, 36), ("b",), ("c", None, 36), ("d",)]
