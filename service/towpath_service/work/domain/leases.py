"""Leases: the right to execute one attempt of a run, and what becomes of it and of the run.

Invariants, each of which a test names:
  - a run that waits has no lease that counts; a dispatched run that executes has exactly one;
  - the fence of a run grows with each lease of it;
  - a lease that nobody accepts returns its run to the queue, which is no failure of anybody;
  - a run whose process has reported ends by silence only if worker and producer are both silent;
  - a worker that can't start processes gets no run for a pause that doubles up to 64 s;
  - a verdict is a row of the table of states, from the source that it names;
  - after the end of a lease its run has ended, waits in the queue, or is paused without a process.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from towpath_service.runs.domain.states import TERMINAL_STATES, RunState, Source
from towpath_service.work.domain.dispatching import LimitKey, PoolKey, limits_of
from towpath_service.work.domain.stopping import end_of_cancelling

if TYPE_CHECKING:
    from collections.abc import Iterable

    from towpath_service.core.names import Scope

ACCEPT_US: Final = 5_000_000
"""How long a worker has to accept a lease."""
MOST_RETURNS: Final = 3
"""How often a run may return to the queue after a worker has accepted it and not started it."""
MOST_DOUBLINGS: Final = 6
"""How often the pause of a worker that can't start runs doubles."""
WORKER_FAULT: Final = "WORKER_FAULT"
"""Reason of a worker that gives a run back because it can't start processes."""
RENEWALS: Final = 3
"""Renewals within the duration of a lease."""

_STARTING: Final = frozenset({RunState.SCHEDULED, RunState.PENDING})


class Phase(IntEnum):
    """How far a lease has come."""

    GRANTED = 1
    """Given out; the worker hasn't accepted it yet."""
    ACCEPTED = 2
    """The worker prepares the process, which hasn't reported yet."""
    RUNNING = 3
    """The process has reported under this lease."""
    ENDING = 4
    """The run has ended; the worker hasn't proved yet that its process has."""


class Outcome(IntEnum):
    """How a lease came to its end, numbered as in the contract."""

    EXITED = 1
    KILLED = 2
    START_FAILED = 3
    RETURNED = 4
    SUSPENDED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A lease as it is stored. Times are microseconds since the Unix epoch."""

    scope: Scope
    run_id: str
    lease_id: str
    fence: int
    attempt: int
    pool_id: str
    queue_id: str
    flow_id: str
    deployment_id: str
    worker_id: str
    instance_id: str
    phase: Phase
    counts: bool
    """Whether it takes up a slot of the limits of its deployment, queue and pool."""
    pid: int
    granted_us: int
    phase_us: int
    expires_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTimes:
    """How long leases of a pool last, in microseconds."""

    lease_us: int
    start_timeout_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What becomes of the run of a lease that ends."""

    to_state: RunState | None = None
    """The new state; SCHEDULED puts it into the queue again, None leaves it as it is."""
    reason: str = ""
    message: str = ""
    source: Source = Source.WORKER
    inferred: bool = False
    counted: bool = False
    """Whether it is one of the returns that `MOST_RETURNS` limits."""
    returned: bool = False
    """Whether the worker gave the run back unstarted."""


LEAVE: Final = Verdict()


def freed_by(leases: Iterable[Lease]) -> dict[LimitKey, int]:
    """The slots that leases take up, by limit."""
    freed: Counter[LimitKey] = Counter()
    for lease in leases:
        if lease.counts:
            pool = PoolKey(*lease.scope, lease.pool_id)
            freed.update(limits_of(pool, lease.queue_id, lease.flow_id, lease.deployment_id))
    return dict(freed)


def pause_us(faults: int) -> int:
    """How long a worker gets no runs that couldn't start one: 1 s, doubled each time up to 64 s.

    Args:
        faults: How often in a row, this time included.
    """
    return 1_000_000 << min(faults - 1, MOST_DOUBLINGS)


def phase_in(phase: Phase, state: RunState) -> Phase:
    """The phase of a lease, given what its run's process has reported.

    The stored phase may lag behind: reports are committed without a look at leases.
    """
    if state in TERMINAL_STATES:
        return Phase.ENDING
    if state in _STARTING or phase is Phase.GRANTED:
        return phase
    # A run that is to be cancelled has no start timeout any more.
    return Phase.RUNNING


def kept_until(phase: Phase, phase_us: int, now_us: int, times: LeaseTimes) -> int:
    """The new expiry of a renewed lease.

    A renewal takes the place of no acceptance, and an accepted lease is renewed up to the start
    timeout only.
    """
    until = now_us + times.lease_us
    if phase is Phase.GRANTED:
        return phase_us + ACCEPT_US
    if phase is Phase.ACCEPTED:
        return min(until, phase_us + times.start_timeout_us)
    return until


def on_expiry(phase: Phase, state: RunState, returns: int, *, suspended: bool = False) -> Verdict:
    """What becomes of the run of a lease that has expired.

    Args:
        phase: Phase of the lease, see `phase_in`.
        state: State of the run. If its process has reported, its producer must be silent.
        returns: How often the run returned before after a worker had accepted it.
        suspended: Whether the run has said that it waits without a process.
    """
    if state in TERMINAL_STATES or state is RunState.SCHEDULED or suspended:
        return LEAVE
    if state is RunState.CANCELLING:
        end = end_of_cancelling(None)
        return Verdict(
            to_state=end.state,
            reason=end.reason,
            message=end.message,
            source=Source.SYSTEM,
            inferred=True,
        )
    if state is RunState.PENDING:
        return _unstarted(phase, returns)
    return Verdict(
        to_state=RunState.CRASHED,
        reason="LEASE_EXPIRED",
        message="worker and process were silent for as long as the lease lasts",
        source=Source.SYSTEM,
        inferred=True,
    )


def _unstarted(phase: Phase, returns: int) -> Verdict:
    if phase is Phase.GRANTED:
        return Verdict(
            to_state=RunState.SCHEDULED,
            reason="LEASE_NOT_ACCEPTED",
            message="the worker did not accept the run in time",
            source=Source.SYSTEM,
        )
    if returns < MOST_RETURNS:
        return Verdict(
            to_state=RunState.SCHEDULED,
            reason="START_TIMEOUT",
            message="the worker accepted the run and did not start it in time",
            source=Source.SYSTEM,
            counted=True,
        )
    return Verdict(
        to_state=RunState.CRASHED,
        reason="START_TIMEOUT",
        message=f"workers accepted the run {returns + 1} times and never started it in time",
        source=Source.SYSTEM,
        inferred=True,
    )


def on_end(
    outcome: Outcome, state: RunState, reason: str = "", *, suspended: bool = False
) -> Verdict:
    """What becomes of the run of a lease that its worker has ended.

    Args:
        outcome: How it ended; its process is gone.
        state: State of the run, after its process's outbox was delivered.
        reason: The worker's reason for the history; empty for none.
        suspended: Whether the run has said that it waits without a process, whose end then
            is as intended, however it came.
    """
    if state in TERMINAL_STATES or state is RunState.SCHEDULED or suspended:
        return LEAVE
    if outcome is Outcome.SUSPENDED and state is RunState.PAUSED:
        return LEAVE
    if state is RunState.CANCELLING:
        return Verdict(to_state=RunState.CANCELLED, reason=reason)
    if outcome is Outcome.RETURNED and state is RunState.PENDING:
        return Verdict(to_state=RunState.SCHEDULED, reason=reason or "RETURNED", returned=True)
    if reason == "DEADLINE":
        return Verdict(
            to_state=RunState.TIMED_OUT,
            reason=reason,
            message="the process was stopped at the deadline of the attempt",
            source=Source.SYSTEM,
        )
    return Verdict(
        to_state=RunState.CRASHED, reason=reason or _REASONS[outcome], message=_MESSAGES[outcome]
    )


_REASONS: Final = {
    Outcome.EXITED: "PROCESS_EXITED",
    Outcome.KILLED: "PROCESS_KILLED",
    Outcome.START_FAILED: "START_FAILED",
    Outcome.RETURNED: "PROCESS_EXITED",
    Outcome.SUSPENDED: "PROCESS_EXITED",
}
_MESSAGES: Final = {
    Outcome.EXITED: "its process exited without a final report",
    Outcome.KILLED: "its process was killed before its final report",
    Outcome.START_FAILED: "its process could not be started",
    Outcome.RETURNED: "its worker gave it back after its process had reported",
    Outcome.SUSPENDED: "its process exited as for a suspended run, which it was not",
}
