"""Retried runs: which of their tasks run again, and which come back from their results."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from towpath import flow, task
from towpath._definitions.leased import arguments_of, run_leased
from towpath._delivery.session import use_reporter
from towpath._engine.flow_run_start import RunLease
from towpath._results.opening import use_results_folder
from towpath._runs.replay import replay_of

from tests.unit.sdk.recording import RecordingReporter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from towpath import Flow

RUN_ID = "01900000-0000-7000-8000-000000000001"
ran: Counter[str] = Counter()


@task(persist_result=True)
def extract(number: int = 0) -> int:
    ran[f"extract[{number}]"] += 1
    return number


@task(persist_result=True)
def transform(rows: int) -> int:
    ran["transform"] += 1
    return rows + 1


@task(persist_result=True)
def load(rows: int) -> int:
    ran["load"] += 1
    return rows


@task(persist_result=True)
def notify() -> None:
    ran["notify"] += 1


@flow
def called() -> int:
    return load(transform(extract()))


@flow
def submitted() -> list[int]:
    parts = [extract.submit(number) for number in range(3)]
    loaded = [load.submit(transform.submit(part)) for part in parts]
    notify.submit()
    return [each.result() for each in loaded]


@flow(persist_result=True)
def prepare() -> int:
    ran["prepare"] += 1
    return extract()


@flow
def nested() -> int:
    return load(prepare())


@pytest.fixture(autouse=True)
def results(tmp_path: Path) -> Iterator[None]:
    ran.clear()
    with use_results_folder(tmp_path):
        yield


def attempt(
    what: Flow[..., Any], number: int = 1, *from_tasks: str, from_attempt: int = 0
) -> dict[str, int]:
    """What an attempt of a flow runs, with how often."""
    ran.clear()
    replay = replay_of(from_tasks, from_attempt or number)
    lease = RunLease(run_id=RUN_ID, attempt=number, fence=number, replay=replay)
    with use_reporter(RecordingReporter()):
        run = run_leased(what, arguments_of(what, {}), lease)
    assert run.state.is_completed(), run.state
    return dict(ran)


def test_what_completed_comes_back_from_its_results() -> None:
    assert attempt(called) == {"extract[0]": 1, "transform": 1, "load": 1}
    assert attempt(called, 2) == {}


def test_a_named_task_runs_again_and_what_is_called_after_it() -> None:
    attempt(called)
    assert attempt(called, 2, "transform") == {"transform": 1, "load": 1}
    assert attempt(called, 3, "extract") == {"extract[0]": 1, "transform": 1, "load": 1}


def test_a_later_attempt_takes_what_the_retry_ran_again() -> None:
    attempt(called)
    attempt(called, 2, "transform")
    assert attempt(called, 3, "transform", from_attempt=2) == {}


def test_only_what_waits_for_the_named_call_runs_again() -> None:
    assert attempt(submitted)["transform"] == 3
    assert attempt(submitted, 2, "extract[1]") == {"extract[1]": 1, "transform": 1, "load": 1}


def test_what_the_code_submits_with_an_outcome_at_hand_runs_again() -> None:
    @flow
    def by_value() -> int:
        first = extract.submit().result()
        return load.submit(first).result()

    attempt(by_value)
    assert attempt(by_value, 2, "extract") == {"extract[0]": 1, "load": 1}


def test_a_named_subflow_runs_again_as_a_whole() -> None:
    attempt(nested)
    assert attempt(nested, 2) == {}
    assert attempt(nested, 3, "prepare") == {"prepare": 1, "extract[0]": 1, "load": 1}


def test_a_task_whose_code_was_repaired_runs_again(monkeypatch: pytest.MonkeyPatch) -> None:
    attempt(called)

    def repaired(rows: int) -> int:
        ran["repaired"] += 1
        return rows + 1

    monkeypatch.setattr(transform, "fn", repaired)
    assert "repaired" in attempt(called, 2)


def test_the_attempt_is_reported_as_cached() -> None:
    attempt(called)
    recording = RecordingReporter()
    with use_reporter(recording):
        run_leased(called, arguments_of(called, {}), RunLease(run_id=RUN_ID, attempt=2, fence=2))
    tasks = [run for run in recording.runs.values() if run.kind == "task"]
    assert [(str(run.state.state), run.state.reason) for run in tasks] == [
        ("COMPLETED", "CACHED")
    ] * 3
    assert all(run.cached_from_run_id for run in tasks)


def test_an_attempt_in_place_says_that_it_begins() -> None:
    recording = RecordingReporter()
    with use_reporter(recording):
        run_leased(called, arguments_of(called, {}), RunLease(run_id=RUN_ID, attempt=2))
    states = recording.states[RUN_ID]
    assert [(str(item.state), item.attempt, item.fence) for item in states][-2:] == [
        ("RUNNING", 2, 0),
        ("COMPLETED", 2, 0),
    ]
