"""Cancellation, state by state, and evidence in words."""

from __future__ import annotations

import json

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from towpath.api.v1 import state_pb2
from towpath_service.runs.domain.decisions import Accepted, RunStatus, decide_transition
from towpath_service.runs.domain.states import TERMINAL_STATES, RunKind, RunState, Source
from towpath_service.work.domain.stopping import (
    NEVER_STARTED,
    Evidence,
    StopKind,
    cancellation_of,
    describe_evidence,
    end_of_cancelling,
)

KILLED = Evidence(
    kind=StopKind.KILLED,
    signal=9,
    pid=4711,
    host="w-7",
    lease_id="0b6e1b5c-7d0f-4f5e-9f5a-1c2d3e4f5a6b",
    escaped_children=0,
    stop_us=30_000_000,
)


def run_in(
    state: RunState, *, reason: str = "", fence: int = 0, producer: bool = True
) -> RunStatus:
    return RunStatus(
        run_id="r",
        kind=RunKind.FLOW,
        flow_id="f",
        parent_run_id=None,
        state=state,
        reason=reason,
        fence=fence,
        producer_id="p" if producer else None,
    )


@pytest.mark.parametrize(
    ("run", "leased", "becomes"),
    [
        (run_in(RunState.SCHEDULED, producer=False), False, "CANCELLED"),
        (run_in(RunState.SCHEDULED, fence=2, producer=False), False, "CANCELLED"),
        (run_in(RunState.PAUSED, reason="SUSPENDED", fence=1), False, "CANCELLED"),
        (run_in(RunState.PAUSED, reason="BLOCKED", fence=1), True, "CANCELLING"),
        (run_in(RunState.PAUSED), False, "CANCELLING"),
        (run_in(RunState.PENDING, fence=1, producer=False), True, "CANCELLING"),
        (run_in(RunState.PENDING, fence=1, producer=False), False, "CANCELLED NOT_CONFIRMED"),
        (run_in(RunState.RUNNING, fence=1), False, "CANCELLING"),
        (run_in(RunState.PENDING), False, "CANCELLING"),
        (run_in(RunState.RUNNING), False, "CANCELLING"),
        (run_in(RunState.RETRYING), False, "CANCELLING"),
        (run_in(RunState.CANCELLING), False, ""),
        (run_in(RunState.COMPLETED), False, ""),
    ],
)
def test_a_state_has_its_cancellation(run: RunStatus, *, leased: bool, becomes: str) -> None:
    step = cancellation_of(run, leased=leased)
    found = "" if step is None else f"{step.state.name} {step.reason}".strip()
    assert found == becomes
    if step is not None:
        assert step.directs is (step.state is RunState.CANCELLING)
        assert step.inferred is (step.reason == "NOT_CONFIRMED")
        unstarted = becomes == "CANCELLED" and not (run.is_suspended and run.fence)
        assert (step.evidence == NEVER_STARTED) is unstarted


@given(
    state=st.sampled_from(RunState),
    reason=st.sampled_from(["", "SUSPENDED", "BLOCKED"]),
    fence=st.integers(0, 2),
    producer=st.booleans(),
    leased=st.booleans(),
)
def test_each_cancellation_is_in_the_table(
    state: RunState, reason: str, fence: int, *, producer: bool, leased: bool
) -> None:
    run = run_in(state, reason=reason, fence=fence, producer=producer)
    step = cancellation_of(run, leased=leased)
    assert (step is None) is (state in TERMINAL_STATES or state is RunState.CANCELLING)
    # A running process always has a producer: it has reported that it runs.
    if step is not None and (state is not RunState.RUNNING or producer):
        verdict = decide_transition(run, step.report("why"), "r", source=Source.CALLER)
        assert isinstance(verdict, Accepted)


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        (KILLED, "killed (SIGKILL after 30 s), pid 4711 on w-7, 0 children left"),
        (
            Evidence(kind=StopKind.EXITED, exit_code=7, pid=12, stop_us=1_250_000),
            "exited with 7 after 1.25 s, pid 12, children unknown",
        ),
        (
            Evidence(kind=StopKind.KILLED, signal=64, escaped_children=2),
            "killed (signal 64), 2 children left",
        ),
        (
            Evidence(kind=StopKind.CONTAINER_GONE, container="etl-4711"),
            "container gone, container etl-4711",
        ),
        (NEVER_STARTED, "never started"),
    ],
)
def test_evidence_in_words(evidence: Evidence, words: str) -> None:
    assert describe_evidence(evidence) == words
    end = end_of_cancelling(evidence)
    assert (end.state, end.message, end.inferred) == (RunState.CANCELLED, words, False)


def test_an_end_without_evidence_is_not_confirmed() -> None:
    end = end_of_cancelling(None)
    assert (end.state, end.reason, end.inferred) == (RunState.CANCELLED, "NOT_CONFIRMED", True)
    assert end.message == "not confirmed: worker and process are silent"


def test_evidence_is_kept_as_the_contracts_message() -> None:
    proof = json_format.Parse(KILLED.json(), state_pb2.StopProof())
    assert (proof.kind, proof.signal, proof.pid, proof.host) == (2, 9, 4711, "w-7")
    assert proof.lease_id == KILLED.lease_id
    assert (proof.escaped_children, proof.stop_duration.seconds) == (0, 30)
    assert proof.HasField("escaped_children")
    assert json.loads(NEVER_STARTED.json()) == {"kind": "STOP_KIND_NEVER_STARTED"}
