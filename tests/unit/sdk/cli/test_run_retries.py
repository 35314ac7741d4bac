"""`towpath run retry`, and actions on many runs: words, counts and exit codes."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from towpath.api.v1 import flow_service_pb2, run_service_pb2, state_pb2
from towpath.cli.runs import control, retrying, runs
from towpath.cli.runs.runs import group
from towpath.client import Client
from towpath.exceptions import NotFound, NotRetryableError, RpcError

from tests.unit.sdk.cli.answering import AnsweringTransport
from tests.unit.sdk.cli.test_run_control import RUN_ID, run

if TYPE_CHECKING:
    from collections.abc import Generator

FAILED = state_pb2.RUN_STATE_FAILED


class Service:
    """Answers the calls of the commands, and keeps what they asked for."""

    def __init__(self, refusal: Exception | None = None, *states: int) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.refusal = refusal
        self.states = states

    def __call__(self, method: str, request: Any) -> Any:
        if method == "GetRun":
            return run_service_pb2.GetRunResponse(run=run(FAILED))
        if method == "ListFlows":
            return flow_service_pb2.ListFlowsResponse()
        kept = type(request)()
        kept.CopyFrom(request)
        self.asked.append((method, kept))
        if method == "ListRuns":
            listed = [run(state) for state in self.states]
            for number, each in enumerate(listed):
                each.run_id = f"{RUN_ID[:-1]}{number + 5}"
            return run_service_pb2.ListRunsResponse(runs=listed)
        if self.refusal is not None and request.name.endswith(("5", RUN_ID)):
            raise self.refusal
        answer: Any = getattr(run_service_pb2, f"{method}Response")()
        if method != "DeleteRun":
            answer.run.CopyFrom(run(state_pb2.RUN_STATE_SCHEDULED, "retry requested"))
        return answer


def invoke(monkeypatch: pytest.MonkeyPatch, service: Service, *arguments: str) -> Any:
    @contextmanager
    def connected(**_: Any) -> Generator[Client]:
        yield Client(AnsweringTransport(service))

    for module in (control, retrying, runs):
        monkeypatch.setattr(module, "connected", connected)
    return CliRunner().invoke(group, arguments)


def test_a_run_is_retried_once_by_its_attempt(monkeypatch: pytest.MonkeyPatch):
    service = Service()
    made = invoke(monkeypatch, service, "retry", RUN_ID, "-m", "repaired")
    assert made.exit_code == 0
    assert "SCHEDULED" in made.output
    [(method, request)] = service.asked
    assert (method, request.message, request.in_place) == ("RetryRun", "repaired", False)


@pytest.mark.parametrize("reason", ["TRANSITION_NOT_ALLOWED", "NOT_DISPATCHABLE"])
def test_a_refused_retry_is_an_error_of_its_own(monkeypatch: pytest.MonkeyPatch, reason: str):
    service = Service(RpcError("no", code="FAILED_PRECONDITION", reason=reason))
    made = invoke(monkeypatch, service, "retry", RUN_ID)
    assert isinstance(made.exception, NotRetryableError)


def test_a_dry_run_lists_steps_and_changes_nothing(monkeypatch: pytest.MonkeyPatch):
    service = Service()
    made = invoke(monkeypatch, service, "retry", RUN_ID, "--dry-run")
    assert (made.exit_code, "it runs from its beginning" in made.output) == (0, True)
    assert [method for method, _ in service.asked] == ["ListRuns"]


def test_code_that_is_gone_is_told_before_anything_changes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
):
    monkeypatch.chdir(tmp_path)
    service = Service()
    made = invoke(monkeypatch, service, "retry", RUN_ID, "--here", "gone.py:etl")
    assert (made.exception.code, service.asked) == ("NOT_FOUND", [])
    (tmp_path / "other.py").write_text("from towpath import flow\n\n\n@flow\ndef other(): ...\n")
    made = invoke(monkeypatch, service, "retry", RUN_ID, "--here", "other.py:other")
    assert (made.exception.code, service.asked) == ("USAGE", [])


STATES = (FAILED, FAILED, state_pb2.RUN_STATE_RUNNING, state_pb2.RUN_STATE_CANCELLED)


@pytest.mark.parametrize(
    ("command", "count"),
    [("retry", "2 runs (2 FAILED)"), ("cancel", "1 run (1 RUNNING)"), ("delete", "3 runs (")],
)
def test_a_dry_run_counts_what_an_action_would_change(
    monkeypatch: pytest.MonkeyPatch, command: str, count: str
):
    service = Service(None, *STATES)
    made = invoke(monkeypatch, service, command, "--since", "7d", "--dry-run")
    assert f"{command}: {count}" in made.output
    assert [method for method, _ in service.asked] == ["ListRuns"]


@pytest.mark.parametrize(("command", "number"), [("Retry", 2), ("Cancel", 1), ("Delete", 3)])
def test_an_action_reaches_every_run_that_matches(
    monkeypatch: pytest.MonkeyPatch, command: str, number: int
):
    service = Service(None, *STATES)
    made = invoke(monkeypatch, service, command.lower(), "--since", "7d", "--yes")
    assert (made.exit_code, f"{number} of {number} run" in made.output) == (0, True)
    assert [method for method, _ in service.asked] == ["ListRuns", *[f"{command}Run"] * number]


def test_runs_that_have_changed_meanwhile_are_passed_by(monkeypatch: pytest.MonkeyPatch):
    gone = NotFound("gone", code="NOT_FOUND", reason="RESOURCE_NOT_FOUND")
    service = Service(gone, FAILED, FAILED)
    made = invoke(monkeypatch, service, "retry", "--state", "failed", "--yes")
    assert (made.exit_code, "retry: 1 of 2 runs" in made.output) == (0, True)
    assert "1 can't be done any more" in made.output
    assert "state = FAILED" in service.asked[0][1].filter


def test_another_error_ends_the_command(monkeypatch: pytest.MonkeyPatch):
    denied = RpcError("no", code="PERMISSION_DENIED", reason="PERMISSION_MISSING")
    made = invoke(monkeypatch, Service(denied, FAILED), "retry", "--state", "failed", "--yes")
    assert isinstance(made.exception, RpcError)


def test_runs_are_chosen_by_name_or_by_options(monkeypatch: pytest.MonkeyPatch):
    for command in ("retry", "cancel", "delete"):
        assert invoke(monkeypatch, Service(), command).exit_code == 2
        assert invoke(monkeypatch, Service(), command, RUN_ID, "--since", "7d").exit_code == 2
