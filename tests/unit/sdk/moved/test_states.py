"""States made by hand, their names, and what they hold."""

from __future__ import annotations

import asyncio
import datetime as dt
import pickle
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from towpath import State, flow, task
from towpath.exceptions import CancelledRun, CrashedRun, FailedRun, UnfinishedRun
from towpath.states import (
    AwaitingRetry,
    Cancelled,
    Cancelling,
    Completed,
    Crashed,
    Failed,
    Paused,
    Pending,
    Retrying,
    Running,
    Scheduled,
    StateType,
    get_state_exception,
    is_state,
    is_state_iterable,
    raise_state_exception,
)

from tests.unit.sdk.moved import moves

MAKERS = {
    Scheduled: ("SCHEDULED", "Scheduled", "is_scheduled"),
    Pending: ("PENDING", "Pending", "is_pending"),
    Running: ("RUNNING", "Running", "is_running"),
    Retrying: ("RUNNING", "Retrying", "is_running"),
    AwaitingRetry: ("SCHEDULED", "AwaitingRetry", "is_scheduled"),
    Paused: ("PAUSED", "Paused", "is_paused"),
    Cancelling: ("CANCELLING", "Cancelling", "is_cancelling"),
    Completed: ("COMPLETED", "Completed", "is_completed"),
    Failed: ("FAILED", "Failed", "is_failed"),
    Crashed: ("CRASHED", "Crashed", "is_crashed"),
    Cancelled: ("CANCELLED", "Cancelled", "is_cancelled"),
}
QUESTIONS = {question for _, _, question in MAKERS.values()}
FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


@moves(
    *("states.Scheduled", "states.Pending", "states.Running", "states.Retrying"),
    *("states.AwaitingRetry", "states.Paused", "states.Cancelling", "states.Completed"),
    *("states.Failed", "states.Crashed", "states.Cancelled", "State.type", "State.name"),
    *("State.is_scheduled", "State.is_pending", "State.is_running", "State.is_paused"),
    *("State.is_cancelling", "State.is_completed", "State.is_failed", "State.is_crashed"),
    *("State.is_cancelled", "State.is_final", "StateType"),
)
@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.__name__)
def test_a_state_says_its_kind_by_type_name_and_questions(maker: Any) -> None:
    kind, name, question = MAKERS[maker]
    state = maker()
    assert (state.type, state.name) == (StateType(kind), name)
    assert {each for each in QUESTIONS if getattr(state, each)()} == {question}
    assert state.is_final() == (kind in FINAL)


@moves("State.message", "State.data", "State.timestamp", "State.state_details")
def test_a_state_holds_what_it_was_made_with() -> None:
    before = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1)
    state = Completed(message="all there", data=[1], name="Loaded")
    assert (state.message, state.data, state.name) == ("all there", [1], "Loaded")
    assert before < state.timestamp <= dt.datetime.now(dt.UTC)
    assert state.state_details.flow_run_id is None
    noon = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
    assert Scheduled(scheduled_time=noon).state_details.scheduled_time == noon


def test_a_timed_out_run_has_failed_and_a_skipped_one_has_not() -> None:
    assert State(StateType.TIMED_OUT).is_failed()
    assert State(StateType.TIMED_OUT).name == "TimedOut"
    assert not State(StateType.SKIPPED).is_failed()


@moves("State.result", "State.aresult")
def test_the_result_is_returned_and_awaited() -> None:
    state = Completed(data=3)

    async def read() -> list[Any]:
        listed = [await each.result() for each in [state]]
        return [await state.result(), await state.aresult(), *listed, in_a_helper(state)]

    assert state.result() == 3
    assert asyncio.run(read()) == [3, 3, 3, 3]


def in_a_helper(state: State[Any]) -> Any:
    return state.result()


@pytest.mark.parametrize(
    ("state", "kind", "text"),
    [
        (Failed(message="broken"), FailedRun, "broken"),
        (Failed(data="text"), FailedRun, "text"),
        (Failed(), FailedRun, "Run failed."),
        (Failed(data=OSError("disk")), OSError, "disk"),
        (Failed(data=[Completed(), Failed(message="second")]), FailedRun, "second"),
        (Failed(data=Crashed(message="inner")), CrashedRun, "inner"),
        (Crashed(message="gone"), CrashedRun, "gone"),
        (Cancelled(message="stop"), CancelledRun, "stop"),
        (Pending(), UnfinishedRun, "PENDING"),
    ],
)
def test_a_state_without_a_result_raises_what_it_holds(
    state: State[Any], kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind, match=text):
        state.result()
    assert isinstance(state.result(raise_on_failure=False), kind)


@moves("states.get_state_exception", "states.raise_state_exception")
def test_the_exception_of_a_state_is_given_and_raised() -> None:
    error = ValueError("x")
    assert get_state_exception(Failed(data=error)) is error
    with pytest.raises(ValueError, match="didn't complete"):
        get_state_exception(Completed())
    raise_state_exception(Completed())
    with pytest.raises(ValueError, match="x"):
        raise_state_exception(Failed(data=error))


@moves("states.is_state", "states.is_state_iterable")
def test_states_are_told_from_other_values() -> None:
    assert is_state(Completed())
    assert not is_state("COMPLETED")
    assert is_state_iterable([Completed(), Failed()])
    assert not is_state_iterable([])
    assert not is_state_iterable([Completed(), 1])
    assert not is_state_iterable({"a": Completed()})


def test_states_of_runs_say_which_run_and_how_it_ended() -> None:
    @task
    def one() -> int:
        return 1

    @flow
    def around() -> State[Any]:
        return one(return_state=True)

    inner = around(return_state=True)
    assert (inner.name, inner.result()) == ("Completed", 1)
    assert inner.state_details.flow_run_id
    assert inner.state_details.task_run_id is None


@given(st.text(max_size=80))
def test_every_name_gives_a_reason_that_the_contract_takes(name: str) -> None:
    state = Completed(name=name)
    assert state.name == name
    pattern = r"([A-Z][A-Z0-9_]*[A-Z0-9])?"
    assert len(state.reason) <= 63
    assert re.fullmatch(pattern, state.reason)


def test_a_name_becomes_the_reason_of_the_report() -> None:
    assert Completed(name="Nothing to do").reason == "NOTHING_TO_DO"
    assert Completed(name="AllGood").reason == "ALL_GOOD"
    assert Completed().reason == ""
    assert State(StateType.COMPLETED, reason="CACHED").name == "Cached"


def test_states_are_equal_by_what_they_say_and_survive_pickling() -> None:
    state = Completed(data=1, message="m").of_run("task", "id", "name")
    back = pickle.loads(pickle.dumps(state))
    assert back == state
    assert hash(back) == hash(state)
    assert back != Completed(data=2, message="m")
    assert str(Failed(message="no")) == "Failed('no')"
    assert repr(Completed(name="Fine", data="hush")) == "Fine(message='', type=COMPLETED)"
