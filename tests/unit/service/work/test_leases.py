"""What becomes of runs whose lease ends, in each phase and state."""

from __future__ import annotations

from itertools import product

import pytest
from towpath_service.runs.domain.decisions import Accepted, RunStatus, decide_transition
from towpath_service.runs.domain.reports import StateReport
from towpath_service.runs.domain.states import TERMINAL_STATES, RunKind, RunState
from towpath_service.work.domain.leases import (
    ACCEPT_US,
    LEAVE,
    MOST_RETURNS,
    LeaseTimes,
    Outcome,
    Phase,
    Verdict,
    kept_until,
    on_end,
    on_expiry,
    pause_us,
    phase_in,
)

SECOND = 1_000_000
TIMES = LeaseTimes(lease_us=30 * SECOND, start_timeout_us=120 * SECOND)
EXECUTING = (RunState.RUNNING, RunState.RETRYING, RunState.PAUSED)
VERDICTS = [
    *(
        pytest.param(
            state,
            on_expiry(phase_in(phase, state), state, returns),
            id=f"{phase.name}-{state.name}-{returns}",
        )
        for phase, state, returns in product(Phase, RunState, (0, MOST_RETURNS))
    ),
    *(
        pytest.param(
            state, on_end(outcome, state, reason), id=f"{outcome.name}-{state.name}-{reason}"
        )
        for outcome, state, reason in product(Outcome, RunState, ("", "DEADLINE", "OUT_OF_MEMORY"))
    ),
]


@pytest.mark.parametrize(("state", "verdict"), VERDICTS)
def test_each_verdict_is_a_row_of_the_table(state: RunState, verdict: Verdict) -> None:
    if verdict.to_state is None:
        return
    run = RunStatus(
        run_id="r", kind=RunKind.FLOW, flow_id="f", parent_run_id=None, state=state, fence=3
    )
    report = StateReport(state=verdict.to_state, reason=verdict.reason, fence=3)
    decided = decide_transition(run, report, "r", source=verdict.source, inferring=verdict.inferred)
    assert isinstance(decided, Accepted)


@pytest.mark.parametrize(("state", "verdict"), VERDICTS)
def test_after_a_lease_its_run_has_ended_waits_or_is_paused(
    state: RunState, verdict: Verdict
) -> None:
    after = verdict.to_state or state
    assert after in TERMINAL_STATES | {RunState.SCHEDULED, RunState.PAUSED}


@pytest.mark.parametrize("outcome", [item for item in Outcome if item is not Outcome.SUSPENDED])
def test_a_paused_run_without_a_process_has_crashed_unless_it_is_suspended(
    outcome: Outcome,
) -> None:
    assert on_end(outcome, RunState.PAUSED).to_state is RunState.CRASHED
    assert on_end(Outcome.SUSPENDED, RunState.PAUSED) == LEAVE


def test_a_lease_that_nobody_accepts_returns_any_number_of_times() -> None:
    verdict = on_expiry(Phase.GRANTED, RunState.PENDING, 99)
    assert (verdict.to_state, verdict.counted) == (RunState.SCHEDULED, False)


def test_a_run_that_is_accepted_and_never_started_returns_three_times() -> None:
    verdicts = [on_expiry(Phase.ACCEPTED, RunState.PENDING, returns) for returns in range(4)]
    states = [verdict.to_state for verdict in verdicts]
    assert states == [RunState.SCHEDULED] * 3 + [RunState.CRASHED]
    assert [verdict.counted for verdict in verdicts] == [True, True, True, False]
    assert verdicts[-1].reason == "START_TIMEOUT"


@pytest.mark.parametrize("state", EXECUTING)
def test_silence_of_worker_and_process_is_an_inferred_crash(state: RunState) -> None:
    verdict = on_expiry(phase_in(Phase.ACCEPTED, state), state, 0)
    assert (verdict.to_state, verdict.reason, verdict.inferred) == (
        RunState.CRASHED,
        "LEASE_EXPIRED",
        True,
    )


@pytest.mark.parametrize("state", [RunState.PENDING, *EXECUTING])
@pytest.mark.parametrize("outcome", [Outcome.EXITED, Outcome.KILLED, Outcome.START_FAILED])
def test_an_ended_process_without_a_final_report_has_crashed(
    state: RunState, outcome: Outcome
) -> None:
    verdict = on_end(outcome, state, "OUT_OF_MEMORY")
    assert (verdict.to_state, verdict.reason, verdict.inferred) == (
        RunState.CRASHED,
        "OUT_OF_MEMORY",
        False,
    )


@pytest.mark.parametrize("outcome", Outcome)
def test_a_run_to_be_cancelled_is_cancelled_when_its_process_is_gone(outcome: Outcome) -> None:
    assert on_end(outcome, RunState.CANCELLING).to_state is RunState.CANCELLED


def test_only_an_unstarted_run_is_given_back() -> None:
    assert on_end(Outcome.RETURNED, RunState.PENDING).to_state is RunState.SCHEDULED
    assert on_end(Outcome.RETURNED, RunState.RUNNING).to_state is RunState.CRASHED


def test_the_pause_of_a_worker_that_cannot_start_runs_doubles_up_to_64_seconds() -> None:
    pauses = [pause_us(faults) // SECOND for faults in (1, 2, 3, 6, 7, 8, 1000)]
    assert pauses == [1, 2, 4, 32, 64, 64, 64]


def test_a_process_stopped_at_its_deadline_has_timed_out() -> None:
    assert on_end(Outcome.KILLED, RunState.RUNNING, "DEADLINE").to_state is RunState.TIMED_OUT


def test_the_phase_follows_the_reports() -> None:
    assert phase_in(Phase.ACCEPTED, RunState.PENDING) is Phase.ACCEPTED
    assert phase_in(Phase.ACCEPTED, RunState.RUNNING) is Phase.RUNNING
    assert phase_in(Phase.ACCEPTED, RunState.CANCELLING) is Phase.RUNNING
    assert phase_in(Phase.GRANTED, RunState.CANCELLING) is Phase.GRANTED
    assert phase_in(Phase.RUNNING, RunState.FAILED) is Phase.ENDING


@pytest.mark.parametrize(
    ("phase", "now", "expected"),
    [
        (Phase.GRANTED, 3, ACCEPT_US),
        (Phase.ACCEPTED, 3, 33 * SECOND),
        (Phase.ACCEPTED, 100, 120 * SECOND),
        (Phase.RUNNING, 100, 130 * SECOND),
        (Phase.ENDING, 100, 130 * SECOND),
    ],
)
def test_a_renewal_lasts_a_lease_and_not_beyond_the_start_timeout(
    phase: Phase, now: int, expected: int
) -> None:
    assert kept_until(phase, 0, now * SECOND, TIMES) == expected
