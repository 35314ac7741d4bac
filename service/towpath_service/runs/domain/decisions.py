"""Verdicts on updates: whether they take effect, by which rule, and the run's new status.

Invariants:
  - a run's revisions are 1, 2, 3, ... and each transition is in the table;
  - a terminal state is left only by a retry that was requested of the service, or by a producer's
    own report after a crash that was only inferred;
  - an update of an older attempt, or under a lower fence, never takes effect;
  - a run that was dispatched to a worker accepts no report without the fence of its lease, and none
    while it waits in the queue again;
  - a repeated report changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from towpath_service.runs.domain.states import (
    SUSPENDED,
    TERMINAL_STATES,
    RunKind,
    RunState,
    Source,
    find_row,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towpath_service.runs.domain.reports import Creation, StateReport

RULES: Final[Mapping[str, str]] = {
    "CREATED": "The first report of a run creates it.",
    "TABLE": "The transition table allows it.",
    "TRUTH_AFTER_INFERRED_CRASH": (
        "The crash was only inferred from the producer's silence; the producer's own report for the"
        " same attempt replaces it."
    ),
    "PRODUCER_SILENT": (
        "The run's producer had no stream open and reported nothing for longer than the heartbeat"
        " timeout."
    ),
    "SAME_AGAIN": "The run is in that state already; nothing changes.",
    "NOT_IN_TABLE": "The transition table has no such transition.",
    "NOT_YOURS": "The table allows the transition, but not from this source.",
    "REASON_MISSING": "The table allows the transition only with a certain reason.",
    "STALE_ATTEMPT": "A later attempt of the run has begun.",
    "LEASE_LOST": (
        "The run's lease has passed to another worker, or the report of a run that a worker"
        " executes has no fence."
    ),
    "RUN_UNKNOWN": "The run has not been created.",
    "RUN_CONFLICT": "A run of that id exists with other immutable fields.",
    "INVALID_REQUEST": "The update breaks a rule of the contract.",
}


@dataclass(slots=True, kw_only=True)
class RunStatus:
    """The part of a run that decisions read and change."""

    run_id: str
    kind: RunKind
    flow_id: str
    parent_run_id: str | None
    state: RunState
    reason: str = ""
    message: str = ""
    state_us: int = 0
    revision: int = 0
    attempt: int = 1
    inferred: bool = False
    fence: int = 0
    next_attempt_us: int | None = None
    started_us: int | None = None
    ended_us: int | None = None
    running_us: int = 0
    producer_id: str | None = None
    workspace_id: str = ""
    root_run_id: str = ""

    @property
    def is_suspended(self) -> bool:
        """Whether it waits to be resumed, without a process."""
        return self.state is RunState.PAUSED and self.reason == SUSPENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """An update that takes effect as a transition."""

    rule: str
    from_state: RunState | None
    to_state: RunState
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchanged:
    """An update that is valid and changes nothing."""

    rule: str = "SAME_AGAIN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """An update that is rejected permanently."""

    reason: str
    rule: str
    message: str
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])


Verdict = Accepted | Unchanged | Refused


def decide_creation(
    run: RunStatus | None,
    creation: Creation,
    run_id: str,
    *,
    source: Source = Source.PRODUCER,
) -> Verdict:
    """The verdict on the report of a run's creation.

    Args:
        run: The run with that id, if there is one.
        creation: The reported creation.
        run_id: Id of the run.
        source: The source of the report.
    """
    if run is not None:
        return _decide_repeated_creation(run, creation)
    initial = creation.initial
    row = find_row(None, initial.state)
    if row is None or source not in row.sources:
        return _not_allowed(run_id, None, initial.state, 0)
    if row.required_reason and initial.reason != row.required_reason:
        return _reason_missing(run_id, None, initial.state, row.required_reason)
    return Accepted(
        rule="CREATED", from_state=None, to_state=initial.state, attempt=max(1, initial.attempt)
    )


def _decide_repeated_creation(run: RunStatus, creation: Creation) -> Verdict:
    """The verdict on the creation of a known run.

    A dispatched run was created by the service: its process reports the creation to say that it has
    begun.
    """
    pairs = (
        ("kind", run.kind, creation.kind),
        ("flow", run.flow_id, creation.flow_id),
        ("parent_run", run.parent_run_id, creation.parent_run_id),
    )
    for name, known, reported in pairs:
        if known != reported:
            return Refused(
                reason="RUN_CONFLICT",
                rule="RUN_CONFLICT",
                message=f"run {run.run_id} exists with another {name}: give new runs new ids",
                metadata={"run": run.run_id, "field": name},
            )
    return decide_transition(run, creation.initial, run.run_id) if run.fence else Unchanged()


def decide_transition(
    run: RunStatus | None,
    report: StateReport,
    run_id: str,
    *,
    source: Source = Source.PRODUCER,
    inferring: bool = False,
) -> Verdict:
    """The verdict on the report of a state.

    Args:
        run: The run, if it is known.
        report: The reported state.
        run_id: Id of the run.
        source: The source of the report.
        inferring: Whether the service infers it from silence.
    """
    if run is None:
        return unknown_run(run_id)
    attempt = report.attempt or run.attempt
    stale = _stale(run, report, attempt) or _fenced(run, report, source)
    if stale is not None:
        return stale
    if report.state is run.state and attempt == run.attempt:
        return Unchanged()
    row = find_row(run.state, report.state)
    if row is None or (row.only_after_inferred and not _may_correct(run, attempt)):
        return _not_allowed(run_id, run.state, report.state, run.revision)
    if source not in row.sources:
        refusal = _not_allowed(run_id, run.state, report.state, run.revision)
        return Refused(
            reason=refusal.reason,
            rule="NOT_YOURS",
            message=f"{refusal.message} when reported by a {source.name.lower()}",
            metadata=refusal.metadata,
        )
    if row.required_reason and report.reason != row.required_reason:
        return _reason_missing(run_id, run.state, report.state, row.required_reason)
    rule = "TABLE"
    if row.only_after_inferred:
        rule = "TRUTH_AFTER_INFERRED_CRASH"
    elif inferring:
        rule = "PRODUCER_SILENT"
    return Accepted(
        rule=rule,
        from_state=run.state,
        to_state=report.state,
        attempt=_attempt_after(run, report.state, attempt),
    )


def _stale(run: RunStatus, report: StateReport, attempt: int) -> Refused | Unchanged | None:
    # A RETRYING report names the attempt that failed, so a repeated one looks one attempt old.
    if report.state is RunState.RETRYING is run.state and attempt == run.attempt - 1:
        return Unchanged()
    if attempt < run.attempt:
        return Refused(
            reason="STALE_ATTEMPT",
            rule="STALE_ATTEMPT",
            message=f"attempt {attempt} of run {run.run_id} is over: {run.attempt} has begun",
            metadata={
                "run": run.run_id,
                "attempt": str(attempt),
                "current_attempt": str(run.attempt),
            },
        )
    return None


def _fenced(run: RunStatus, report: StateReport, source: Source) -> Refused | None:
    if source is not Source.PRODUCER or not run.fence:
        return None
    # A run that waits again has no lease, until another gets the next fence.
    if report.fence < run.fence or run.state is RunState.SCHEDULED:
        return Refused(
            reason="LEASE_LOST",
            rule="LEASE_LOST",
            message=(
                f"the lease of run {run.run_id} has passed to another worker: stop the work"
                if report.fence
                else f"run {run.run_id} is executed by a worker: only its own process reports it"
            ),
            metadata={
                "run": run.run_id,
                "fence": str(report.fence),
                "current_fence": str(run.fence),
            },
        )
    return None


def _may_correct(run: RunStatus, attempt: int) -> bool:
    return run.inferred and attempt == run.attempt


def _attempt_after(run: RunStatus, to_state: RunState, attempt: int) -> int:
    if to_state is RunState.RETRYING:
        return attempt + 1
    if to_state is RunState.SCHEDULED and run.state in TERMINAL_STATES:
        return run.attempt + 1
    return attempt


def _state_name(state: RunState | None) -> str:
    return state.name if state is not None else "new"


def _not_allowed(
    run_id: str, from_state: RunState | None, to_state: RunState, revision: int
) -> Refused:
    return Refused(
        reason="TRANSITION_NOT_ALLOWED",
        rule="NOT_IN_TABLE",
        message=f"run {run_id} can't go from {_state_name(from_state)} to {to_state.name}",
        metadata={
            "run": run_id,
            "from_state": _state_name(from_state),
            "to_state": to_state.name,
            "revision": str(revision),
        },
    )


def _reason_missing(
    run_id: str, from_state: RunState | None, to_state: RunState, reason: str
) -> Refused:
    refusal = _not_allowed(run_id, from_state, to_state, 0)
    return Refused(
        reason=refusal.reason,
        rule="REASON_MISSING",
        message=f"{refusal.message} without the reason {reason}",
        metadata=refusal.metadata,
    )


def new_status(creation: Creation, run_id: str, producer_id: str | None) -> RunStatus:
    """The status of a new run, before its first transition."""
    return RunStatus(
        run_id=run_id,
        kind=creation.kind,
        flow_id=creation.flow_id,
        parent_run_id=creation.parent_run_id,
        state=creation.initial.state,
        producer_id=producer_id,
        root_run_id=creation.root_run_id or run_id,
    )


def unknown_run(run_id: str) -> Refused:
    """The refusal of a report on a run that is unknown, or outside the producer's grant."""
    return Refused(
        reason="RUN_UNKNOWN",
        rule="RUN_UNKNOWN",
        message=f"run {run_id} is unknown: report its creation first",
        metadata={"run": run_id},
    )


def advance(
    run: RunStatus,
    verdict: Accepted,
    report: StateReport,
    occurred_us: int,
    *,
    inferred: bool = False,
) -> None:
    """Applies an accepted transition to a run: its next revision."""
    if run.state is RunState.RUNNING and verdict.from_state is not None:
        run.running_us += max(0, occurred_us - run.state_us)
    run.state = verdict.to_state
    run.attempt = verdict.attempt
    run.reason = report.reason
    run.message = report.message
    run.state_us = occurred_us
    run.revision += 1
    run.inferred = inferred
    if run.fence:
        # Only a lease makes a run a dispatched one.
        run.fence = max(run.fence, report.fence)
    run.next_attempt_us = report.next_attempt_us
    if verdict.to_state is RunState.RUNNING and run.started_us is None:
        run.started_us = occurred_us
    run.ended_us = occurred_us if verdict.to_state in TERMINAL_STATES else None
