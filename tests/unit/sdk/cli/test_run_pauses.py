"""`towpath run pause` and `towpath run resume`: words, types of inputs and exit codes."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner
from towpath.api.v1 import run_pause_pb2, run_service_pb2, state_pb2
from towpath.cli.runs import pausing
from towpath.cli.runs.runs import group
from towpath.client import Client
from towpath.exceptions import FlowPauseTimeout, NotPausedError, RpcError

from tests.unit.sdk.cli.answering import AnsweringTransport
from tests.unit.sdk.cli.test_run_control import RUN_ID, run

if TYPE_CHECKING:
    from collections.abc import Generator

    import pytest

SCHEMA = json.dumps(
    {
        "properties": {
            "approve": {"type": "boolean"},
            "note": {"type": "string"},
            "count": {"type": "integer"},
        }
    }
)


class Desk:
    """Answers the calls of the commands, and keeps what they asked for."""

    def __init__(self, refusal: str = "") -> None:
        self.asked: list[Any] = []
        self.refusal = refusal

    def __call__(self, method: str, request: Any) -> Any:
        if method == "GetRun":
            found = run(state_pb2.RUN_STATE_PAUSED, "Ship it?")
            found.pause.CopyFrom(run_pause_pb2.RunPause(key="1", input_schema_json=SCHEMA))
            return run_service_pb2.GetRunResponse(run=found)
        self.asked.append(request)
        if self.refusal:
            raise RpcError("no", code="FAILED_PRECONDITION", reason=self.refusal)
        if method == "PauseRun":
            now = run(state_pb2.RUN_STATE_PAUSED, request.message)
            return run_service_pb2.PauseRunResponse(run=now)
        now = run(state_pb2.RUN_STATE_PAUSED)
        now.state_reason = "BLOCKED"
        return run_service_pb2.ResumeRunResponse(run=now)


def invoke(monkeypatch: pytest.MonkeyPatch, desk: Desk, *arguments: str) -> Any:
    @contextmanager
    def connected(**_: Any) -> Generator[Client]:
        yield Client(AnsweringTransport(desk))

    monkeypatch.setattr(pausing, "connected", connected)
    return CliRunner().invoke(group, arguments)


def test_inputs_are_read_by_the_types_that_the_run_waits_for(monkeypatch: pytest.MonkeyPatch):
    desk = Desk()
    given = ("-i", "approve=true", "--input", "note=7", "-i", "count=3", "--key", "1")
    made = invoke(monkeypatch, desk, "resume", RUN_ID, *given)
    assert made.exit_code == 0
    assert "its process goes on as soon as it has the answer" in made.output
    [request] = desk.asked
    assert request.pause_key == "1"
    assert len(request.request_id) == 36
    assert json.loads(request.input.data) == {"approve": True, "note": "7", "count": 3}


def test_a_run_without_input_is_resumed_without(monkeypatch: pytest.MonkeyPatch):
    desk = Desk()
    assert invoke(monkeypatch, desk, "resume", RUN_ID).exit_code == 0
    [request] = desk.asked
    assert not request.HasField("input")


def test_an_input_is_a_pair(monkeypatch: pytest.MonkeyPatch):
    made = invoke(monkeypatch, Desk(), "resume", RUN_ID, "--input", "approve")
    assert made.exit_code == 2
    assert "--input takes NAME=VALUE" in made.output


def test_a_run_is_kept_from_starting(monkeypatch: pytest.MonkeyPatch):
    made = invoke(monkeypatch, Desk(), "pause", RUN_ID, "-m", "not today")
    assert made.exit_code == 0
    assert "not today" in made.output
    assert "towpath run resume 000019rh" in made.output


def test_refusals_are_errors_of_their_own(monkeypatch: pytest.MonkeyPatch):
    for refusal, kind in (
        ("PAUSE_ANSWERED", NotPausedError),
        ("TRANSITION_NOT_ALLOWED", NotPausedError),
        ("PAUSE_EXPIRED", FlowPauseTimeout),
        ("OTHER", RpcError),
    ):
        made = invoke(monkeypatch, Desk(refusal), "resume", RUN_ID)
        assert type(made.exception) is kind
