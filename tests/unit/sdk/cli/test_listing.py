"""Which runs `towpath run ls` asks for, and what `run inspect` says of a run."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest
from towpath.api.v1 import run_pb2, run_service_pb2, state_pb2
from towpath.cli import _main
from towpath.cli.runs import runs
from towpath.client import Client

from tests.unit.sdk.cli.answering import AnsweringTransport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RUN_ID: Final = "0195f3a0-0000-7000-8000-000000000001"
ROOTS: Final = 'kind = flow AND parent_run = ""'


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[[run_pb2.Run], list[str]]:
    """Has the commands find one run; returns the filters that they ask with."""

    def connect(run: run_pb2.Run) -> list[str]:
        filters: list[str] = []

        def answer(method: str, request: Any) -> Any:
            if method == "ListRuns":
                filters.append(request.filter)
                return run_service_pb2.ListRunsResponse()
            if method == "GetRun":
                return run_service_pb2.GetRunResponse(run=run)
            assert method == "ListRunTransitions"
            change = state_pb2.RunTransition(to_state=run.state, revision=1)
            return run_service_pb2.ListRunTransitionsResponse(transitions=[change])

        @contextmanager
        def connected(*, following: bool = False) -> Iterator[Client]:
            yield Client(AnsweringTransport(answer))

        monkeypatch.setattr(runs, "connected", connected)
        return filters

    return connect


@pytest.mark.parametrize(
    ("options", "asked", "says"),
    [
        ([], ROOTS, "There are no flow runs: run a script with a @flow, or list subflows"),
        (["--state", "FAILED"], f"{ROOTS} AND (state = FAILED)", "No flow run matches: "),
        (["--all"], "", "There are no runs yet"),
        (["--all", "--state", "FAILED"], "(state = FAILED)", "No run matches."),
        (["--kind", "task"], "kind = task", "No run matches."),
        (["--kind", "flow"], "kind = flow", "No run matches."),
        (["--parent", RUN_ID], f'parent_run = "{RUN_ID}"', "No run matches."),
    ],
)
def test_flow_runs_that_no_run_started_are_listed_unless_others_are_asked_for(
    options: list[str],
    asked: str,
    says: str,
    connect: Callable[[run_pb2.Run], list[str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    filters = connect(run_pb2.Run(run_id=RUN_ID, state=state_pb2.RUN_STATE_COMPLETED))
    assert _main.run(["run", "ls", *options]) == 0
    assert filters == [asked]
    assert capsys.readouterr().err.startswith(says)


@pytest.mark.parametrize(
    ("created", "ended", "observed_late", "title"),
    [
        (100, 200, False, "created"),
        (300, 200, False, "recorded"),
        (100, 200, True, "recorded"),
        (300, None, False, "created"),
    ],
)
def test_a_record_that_came_after_the_end_is_called_so(
    created: int,
    ended: int | None,
    observed_late: bool,
    title: str,
    connect: Callable[[run_pb2.Run], list[str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = run_pb2.Run(
        run_id=RUN_ID, display_name="nightly", state=state_pb2.RUN_STATE_COMPLETED, attempt=1
    )
    run.create_time.seconds, run.observed_late = created, observed_late
    if ended is not None:
        run.end_time.seconds = ended
    connect(run)
    assert _main.run(["run", "inspect", RUN_ID]) == 0
    facts = capsys.readouterr().out.partition("\n\n")[0]
    titles = [line.split()[0] for line in facts.splitlines()]
    assert ({"created", "recorded"} & set(titles)) == {title}
    assert titles[:2] == ["run", "state"]


def test_the_history_begins_with_when_and_what(
    connect: Callable[[run_pb2.Run], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    connect(run_pb2.Run(run_id=RUN_ID, state=state_pb2.RUN_STATE_COMPLETED))
    assert _main.run(["run", "inspect", RUN_ID]) == 0
    history = capsys.readouterr().out.partition("\n\n")[2]
    assert history.splitlines()[0].split() == ["WHEN", "STATE", "ATTEMPT", "WHY"]
