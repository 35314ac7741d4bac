from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from towpath_service.runs.domain.decisions import (
    RULES,
    Accepted,
    Refused,
    RunStatus,
    Unchanged,
    advance,
    decide_creation,
    decide_transition,
    new_status,
)
from towpath_service.runs.domain.reports import Creation, StateReport
from towpath_service.runs.domain.states import (
    TABLE,
    TERMINAL_STATES,
    RunKind,
    RunState,
    Source,
    find_row,
    is_allowed,
)

ROOT = Path(__file__).resolve().parents[4]


def run_in(state: RunState, *, attempt: int = 1, inferred: bool = False) -> RunStatus:
    return RunStatus(
        run_id="r",
        kind=RunKind.TASK,
        flow_id="f",
        parent_run_id=None,
        state=state,
        revision=3,
        attempt=attempt,
        inferred=inferred,
    )


def documented_table() -> set[tuple[str, str, str]]:
    """The rows of the comment at RunState: from, to, letters of who."""
    text = (ROOT / "protos/towpath/api/v1/state.proto").read_text()
    lines = re.findall(r"^//   ([^|\n]*)\|([^|\n]*)$", text, re.MULTILINE)
    rows: list[tuple[str, str]] = []
    for before, after in lines:
        name = before.strip()
        if name in {"from", ""} or name.startswith("-"):
            if not name and rows:
                rows[-1] = (rows[-1][0], f"{rows[-1][1]} {after.strip()}")
            continue
        rows.append((name, after.strip()))
    found: set[tuple[str, str, str]] = set()
    for names, followers in rows:
        plain = re.sub(r"\([^)]*\)", "", followers)
        for name in names.split(", "):
            for item in re.findall(r"([A-Z_]{6,}) ([PWS]+)\b", plain):
                found.add((name.strip("()"), *item))
    return found


def test_the_table_is_the_one_in_the_contract() -> None:
    letters = {Source.PRODUCER: "P", Source.WORKER: "W", Source.SYSTEM: "S"}
    ours = {
        (
            row.from_state.name if row.from_state else "new",
            row.to_state.name,
            frozenset(letters[s] for s in row.sources if s in letters),
        )
        for row in TABLE
        if row.from_state != RunState.CRASHED
    }
    theirs = {
        (before, after, frozenset(who))
        for before, after, who in documented_table()
        if before != "CRASHED"
    }
    assert ours == theirs


@pytest.mark.parametrize("before", list(RunState))
@pytest.mark.parametrize("after", list(RunState))
def test_every_pair_of_states_gets_the_tables_verdict(before: RunState, after: RunState) -> None:
    row = find_row(before, after)
    report = StateReport(state=after, reason=row.required_reason if row else "")
    verdict = decide_transition(run_in(before), report, "r")
    if before is after:
        assert isinstance(verdict, Unchanged)
    elif row and Source.PRODUCER in row.sources and not row.only_after_inferred:
        assert isinstance(verdict, Accepted)
    else:
        assert isinstance(verdict, Refused)
        assert verdict.rule in RULES


def test_an_older_attempt_is_refused() -> None:
    verdict = decide_transition(
        run_in(RunState.RUNNING, attempt=3), StateReport(state=RunState.COMPLETED, attempt=2), "r"
    )
    assert isinstance(verdict, Refused)
    assert verdict.reason == "STALE_ATTEMPT"


def test_a_lower_fence_is_refused() -> None:
    run = run_in(RunState.RUNNING)
    run.fence = 5
    verdict = decide_transition(run, StateReport(state=RunState.COMPLETED, fence=4), "r")
    assert isinstance(verdict, Refused)
    assert verdict.reason == "LEASE_LOST"


def test_the_truth_corrects_an_inferred_crash_and_only_that() -> None:
    report = StateReport(state=RunState.COMPLETED)
    told = decide_transition(run_in(RunState.CRASHED, inferred=True), report, "r")
    assert isinstance(told, Accepted)
    assert told.rule == "TRUTH_AFTER_INFERRED_CRASH"
    assert isinstance(decide_transition(run_in(RunState.CRASHED), report, "r"), Refused)


def test_an_unknown_run_is_refused_and_a_repeated_creation_is_not() -> None:
    assert isinstance(decide_transition(None, StateReport(state=RunState.RUNNING), "r"), Refused)
    creation = Creation(
        kind=RunKind.TASK,
        initial=StateReport(state=RunState.PENDING),
        display_name="t",
        flow_id="f",
    )
    assert isinstance(decide_creation(None, creation, "r"), Accepted)
    run = new_status(creation, "r", None)
    assert isinstance(decide_creation(run, creation, "r"), Unchanged)
    run.flow_id = "other"
    conflict = decide_creation(run, creation, "r")
    assert isinstance(conflict, Refused)
    assert conflict.metadata == {"run": "r", "field": "flow"}


@given(st.lists(st.tuples(st.sampled_from(list(RunState)), st.integers(0, 4)), max_size=30))
def test_no_sequence_of_reports_makes_an_illegal_history(
    reports: list[tuple[RunState, int]],
) -> None:
    run = run_in(RunState.PENDING)
    for state, attempt in reports:
        before, revision, attempt_before = run.state, run.revision, run.attempt
        report = StateReport(state=state, attempt=attempt, reason="CACHED")
        verdict = decide_transition(run, report, "r")
        if isinstance(verdict, Accepted):
            advance(run, verdict, report, 1)
            assert is_allowed(before, run.state)
            assert before not in TERMINAL_STATES
            assert run.revision == revision + 1
            assert run.attempt >= attempt_before
        else:
            assert (run.state, run.revision) == (before, revision)


@given(
    state=st.sampled_from(RunState),
    reported=st.sampled_from(RunState),
    fence=st.integers(1, 3),
    given=st.integers(0, 3),
    attempt=st.integers(0, 2),
    inferred=st.booleans(),
)
def test_a_dispatched_run_changes_under_its_fence_only(
    state: RunState, reported: RunState, fence: int, given: int, attempt: int, *, inferred: bool
) -> None:
    run = run_in(state, inferred=inferred)
    run.fence = fence
    report = StateReport(state=reported, attempt=attempt, fence=given)
    creation = Creation(kind=run.kind, flow_id="f", display_name="x", initial=report)
    for verdict in (decide_transition(run, report, "r"), decide_creation(run, creation, "r")):
        if given < fence:
            assert not isinstance(verdict, Accepted)
        if isinstance(verdict, Accepted):
            advance(run, verdict, report, 0, inferred=False)
            assert run.fence == max(fence, given)
            return


def test_the_service_needs_no_fence() -> None:
    run = run_in(RunState.RUNNING)
    run.fence = 4
    report = StateReport(state=RunState.CANCELLING)
    verdict = decide_transition(run, report, "r", source=Source.CALLER)
    assert isinstance(verdict, Accepted)
