"""What flows and tasks return, and what that makes of their runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from towpath import State, flow, task
from towpath.exceptions import FailedRun, ParameterError
from towpath.states import Cancelled, Completed, Crashed, Failed, Pending

from tests.unit.sdk.moved import moves

if TYPE_CHECKING:
    from towpath.testing import Harness


@task
def works(value: int = 1) -> int:
    return value


@task
def breaks() -> int:
    raise OSError("disk")


@task
def stops() -> State[Any]:
    return Cancelled(message="enough")


def ends(function: Any, **options: Any) -> State[Any]:
    return flow(**{"name": "ends", **options})(function)(return_state=True)


@pytest.mark.parametrize(
    ("returned", "kind", "message"),
    [
        (Completed(message="fine", data=3), "COMPLETED", "fine"),
        (Failed(message="no"), "FAILED", "no"),
        (Cancelled(message="stop"), "CANCELLED", "stop"),
        (Crashed(message="gone"), "CRASHED", "gone"),
        (Pending(message="soon"), "FAILED", "soon"),
    ],
    ids=str,
)
def test_a_returned_state_is_the_state_of_the_run(
    returned: State[Any], kind: str, message: str, recorded: Harness
) -> None:
    state = ends(lambda: returned)
    assert (state.type.value, state.message) == (kind, message)
    assert (recorded.run("ends").state, recorded.run("ends").message) == (kind, message)

    @task(name="made")
    def made() -> State[Any]:
        return returned

    assert made(return_state=True).type.value == kind
    assert recorded.run("made").state == kind


def test_hooks_are_those_of_the_returned_state() -> None:
    called: list[str] = []
    hooks = {
        f"on_{each}": [lambda *_, each=each: called.append(each)]
        for each in ("completion", "failure", "cancellation", "crashed")
    }
    for made in (Completed, Failed, Cancelled, Crashed):
        ends(lambda made=made: made(), **hooks)
    assert called == ["completion", "failure", "cancellation", "crashed"]


def test_a_returned_failure_is_tried_again_and_a_cancellation_is_not(recorded: Harness) -> None:
    left = [Failed(message="first"), Completed(data=5)]
    assert flow(retries=1, name="again")(lambda: left.pop(0))() == 5
    assert recorded.run("again").states == ["RUNNING", "RETRYING", "RUNNING", "COMPLETED"]
    ends(lambda: Cancelled(message="now"), retries=3)
    assert recorded.run("ends").attempt == 1


def test_the_result_of_a_returned_state_is_the_runs_result() -> None:
    assert flow(lambda: Completed(data=3), name="f")() == 3
    with pytest.raises(FailedRun, match="no"):
        flow(lambda: Failed(message="no"), name="f")()
    with pytest.raises(ValueError, match="bad"):
        flow(lambda: Failed(data=ValueError("bad")), name="f")()


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: breaks(return_state=True), "FAILED"),
        (lambda: works(return_state=True), "COMPLETED"),
        (lambda: stops(return_state=True), "CANCELLED"),
        (lambda: breaks.submit(wait_for=[]), "FAILED"),
        (lambda: stops.submit(wait_for=[]), "CANCELLED"),
        (lambda: [works.submit(), breaks.submit()], "FAILED"),
        (lambda: [works(return_state=True), breaks(return_state=True)], "FAILED"),
        (lambda: (works.submit(), breaks(return_state=True)), "FAILED"),
        (lambda: [breaks(return_state=True), stops(return_state=True)], "CANCELLED"),
        (lambda: {works(return_state=True)}, "COMPLETED"),
    ],
)
@pytest.mark.parametrize("final_state", ["strict", "return_value"])
def test_returned_runs_decide_how_the_flow_ends(make: Any, kind: str, final_state: str) -> None:
    state = ends(make, final_state=final_state)
    assert state.type.value == kind
    if kind == "FAILED":
        with pytest.raises(OSError, match="disk"):
            state.result()


def test_futures_in_what_a_flow_returns_become_results() -> None:
    assert ends(lambda: {"a": works.submit(2), "b": [works.submit(3)]}).result() == {
        "a": 2,
        "b": [3],
    }
    assert ends(lambda: [works.submit(4)]).result() == [4]
    assert ends(lambda: works.submit(5)).result() == 5
    assert ends(lambda: {"a": breaks.submit()}).type.value == "FAILED"


def test_with_prefects_rule_they_become_states() -> None:
    state = ends(lambda: {"a": works.submit(2)}, final_state="return_value")
    assert state.result()["a"].result() == 2
    state = ends(lambda: [works.submit(2)], final_state="return_value")
    assert [each.result() for each in state.result()] == [2]
    state = ends(lambda: {"a": breaks.submit()}, final_state="return_value")
    assert state.name == "Completed"
    assert state.result()["a"].is_failed()


@moves("validate_parameters")
def test_wrong_arguments_give_a_failed_state_where_a_state_is_asked_for(recorded: Harness) -> None:
    called: list[str] = []

    @flow(on_failure=[lambda _, run, state: called.append(f"{run.name} {state.name}")])
    def checked(number: int) -> int:
        return number

    state = checked("five", return_state=True)  # type: ignore[call-overload]
    assert state.is_failed()
    assert isinstance(state.result(raise_on_failure=False), ParameterError)
    assert called == ["checked Failed"]
    assert recorded.run("checked").states == ["RUNNING", "FAILED"]
    with pytest.raises(ParameterError, match="'number'"):
        checked("five")  # type: ignore[arg-type]
    assert len(recorded.runs) == 1
