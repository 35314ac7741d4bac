"""`towpath run cancel` and `towpath run explain`: words and exit codes."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner
from towpath.api.v1 import run_pb2, run_service_pb2, state_pb2
from towpath.cli.runs import control
from towpath.cli.runs.runs import group
from towpath.client import Client

from tests.unit.sdk.cli.answering import AnsweringTransport

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import pytest

RUN_ID = "01a0b1c2-0000-7000-8000-00000000a711"
AT = 1_795_000_000


def run(state: int, message: str = "") -> run_pb2.Run:
    number: Any = state
    made = run_pb2.Run(
        name=f"workspaces/default/runs/{RUN_ID}",
        run_id=RUN_ID,
        short_id="000019rh",
        kind=run_pb2.RUN_KIND_FLOW,
        display_name="etl",
        state=number,
        state_message=message,
    )
    made.state_time.seconds = made.create_time.seconds = AT
    return made


def invoke(
    monkeypatch: pytest.MonkeyPatch, answer: Callable[[str, Any], Any], *arguments: str
) -> Any:
    @contextmanager
    def connected(**_: Any) -> Generator[Client]:
        yield Client(AnsweringTransport(answer))

    monkeypatch.setattr(control, "connected", connected)
    monkeypatch.setattr(control, "LOOK_SECONDS", 0.0)
    return CliRunner().invoke(group, arguments)


def cancelling(*states: tuple[int, str]) -> Callable[[str, Any], Any]:
    """Answers GetRun with the states one after the other, and CancelRun with CANCELLING."""
    left = list(states)

    def answer(method: str, request: Any) -> Any:
        if method == "CancelRun":
            assert request.message in {"", "wrong day"}
            now = run(state_pb2.RUN_STATE_CANCELLING, "wrong day")
            return run_service_pb2.CancelRunResponse(run=now, descendant_count=2)
        return run_service_pb2.GetRunResponse(run=run(*left.pop(0)))

    return answer


RUNNING = (state_pb2.RUN_STATE_RUNNING, "")
STOPPING = (state_pb2.RUN_STATE_CANCELLING, "")
KILLED = (state_pb2.RUN_STATE_CANCELLED, "killed (SIGKILL after 30 s), pid 4711 on w-7")


def test_a_request_to_cancel_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    made = invoke(monkeypatch, cancelling(RUNNING), "cancel", RUN_ID, "-m", "wrong day")
    assert made.exit_code == 0
    assert "CANCELLING" in made.output
    assert "2 runs below it asked to end, too" in made.output
    assert "towpath run explain 000019rh" in made.output


def test_waiting_ends_with_the_confirmed_end(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = cancelling(RUNNING, STOPPING, KILLED)
    made = invoke(monkeypatch, answer, "cancel", RUN_ID, "--wait")
    assert made.exit_code == 0
    assert "killed (SIGKILL after 30 s), pid 4711 on w-7" in made.output


def test_an_end_that_is_not_confirmed_in_time_is_exit_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "WAIT_SECONDS", 0.0)
    made = invoke(monkeypatch, cancelling(RUNNING), "cancel", RUN_ID, "--wait")
    assert made.exit_code == 1


def explained(*reasons: run_service_pb2.RunExplanation) -> Callable[[str, Any], Any]:
    def answer(method: str, request: Any) -> Any:
        assert request.name.endswith(RUN_ID)
        if method == "GetRun":
            return run_service_pb2.GetRunResponse(run=run(state_pb2.RUN_STATE_SCHEDULED))
        made = run_service_pb2.ExplainRunResponse(
            state=state_pb2.RUN_STATE_SCHEDULED, explanations=reasons
        )
        made.state_time.seconds = AT
        return made

    return answer


NO_WORKER = run_service_pb2.RunExplanation(
    kind=run_service_pb2.EXPLANATION_KIND_NO_WORKER,
    message="no worker of the pool local is online",
    command="towpath worker start --pool local",
    resources=["workspaces/default/workPools/local"],
)


def test_an_explanation_names_what_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    made = invoke(monkeypatch, explained(NO_WORKER), "explain", RUN_ID)
    assert made.exit_code == 0
    assert made.output.splitlines()[1:] == [
        "  no worker of the pool local is online",
        "    try: towpath worker start --pool local",
    ]
    made = invoke(monkeypatch, explained(), "explain", RUN_ID)
    assert made.output.splitlines()[1:] == ["  nothing holds it up"]


def test_an_explanation_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    made = invoke(monkeypatch, explained(NO_WORKER), "explain", RUN_ID, "-o", "json")
    found = json.loads(made.output)
    assert (found["state"], found["reasons"][0]["kind"]) == ("SCHEDULED", "NO_WORKER")
    assert found["reasons"][0]["ends"] is None
