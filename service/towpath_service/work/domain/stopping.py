"""Cancellation, state by state, and the proof that a run's process has ended.

A cancelled run that waits ends at once. One that may have a process becomes CANCELLING, and ends
on proof: its own report, or evidence of the worker that supervised the process. Where neither can
come, the end is inferred, and says that it isn't confirmed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

from towpath_service.runs.domain.reports import StateReport
from towpath_service.runs.domain.states import TERMINAL_STATES, RunState

if TYPE_CHECKING:
    from towpath_service.runs.domain.decisions import RunStatus

NOT_CONFIRMED: Final = "NOT_CONFIRMED"
"""Reason of an end that was not observed."""

_SIGNALS: Final = {
    1: "SIGHUP",
    2: "SIGINT",
    3: "SIGQUIT",
    6: "SIGABRT",
    9: "SIGKILL",
    15: "SIGTERM",
}


class StopKind(IntEnum):
    """How it is known that a process has ended, numbered as in the contract."""

    EXITED = 1
    KILLED = 2
    CONTAINER_GONE = 3
    NEVER_STARTED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Evidence that the process of a run has ended."""

    kind: StopKind
    exit_code: int = 0
    signal: int = 0
    pid: int = 0
    host: str = ""
    container: str = ""
    lease_id: str = ""
    observed_us: int | None = None
    escaped_children: int | None = None
    """Processes of the run that may be left; None where that can't be known."""
    stop_us: int | None = None
    """Time between the request to stop and the end, microseconds; None if none was made."""
    message: str = ""

    def json(self) -> str:
        """The contract's `StopProof` as JSON, as a transition keeps it."""
        content: dict[str, Any] = {
            "kind": f"STOP_KIND_{self.kind.name}",
            "exitCode": self.exit_code,
            "signal": self.signal,
            "pid": str(self.pid) if self.pid else "",
            "host": self.host,
            "container": self.container,
            "leaseId": self.lease_id,
            "message": self.message,
        }
        content = {name: value for name, value in content.items() if value}
        if self.escaped_children is not None:
            content["escapedChildren"] = self.escaped_children
        if self.stop_us is not None:
            content["stopDuration"] = f"{self.stop_us / 1e6:.6f}s"
        return json.dumps(content)


NEVER_STARTED: Final = Evidence(kind=StopKind.NEVER_STARTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation:
    """What a request to cancel does to a run."""

    state: RunState
    """CANCELLED, or CANCELLING."""
    reason: str = ""
    message: str = ""
    inferred: bool = False
    evidence: Evidence | None = None

    @property
    def directs(self) -> bool:
        """Whether a process has to be asked to end."""
        return self.state is RunState.CANCELLING

    def report(self, message: str) -> StateReport:
        """The transition, with the text of the request."""
        texts = [text for text in (self.message, message) if text]
        return StateReport(state=self.state, reason=self.reason, message=": ".join(texts))


def cancellation_of(run: RunStatus, *, leased: bool) -> Cancellation | None:
    """What a request to cancel does to a run; None if it changes nothing.

    Args:
        run: The run; its queue entry is locked.
        leased: Whether a worker has a lease of it.
    """
    if run.state in TERMINAL_STATES or run.state is RunState.CANCELLING:
        return None
    if run.state is RunState.SCHEDULED or run.is_suspended:
        # A suspended run that was dispatched had a process, which may be about to exit.
        unstarted = run.state is RunState.SCHEDULED or not run.fence
        evidence = NEVER_STARTED if unstarted else None
        return Cancellation(state=RunState.CANCELLED, evidence=evidence)
    if run.fence and not leased and run.producer_id is None:
        # No report will come, no lease will end, and no producer can fall silent.
        return Cancellation(
            state=RunState.CANCELLED,
            reason=NOT_CONFIRMED,
            message="not confirmed: its worker is gone, and its process never reported",
            inferred=True,
        )
    return Cancellation(state=RunState.CANCELLING)


def end_of_cancelling(evidence: Evidence | None) -> Cancellation:
    """How a CANCELLING run ends whose process has ended, or whose lease has.

    Args:
        evidence: What the worker saw; None if the lease has expired in silence.
    """
    if evidence is None:
        return Cancellation(
            state=RunState.CANCELLED,
            reason=NOT_CONFIRMED,
            message="not confirmed: worker and process are silent",
            inferred=True,
        )
    return Cancellation(
        state=RunState.CANCELLED, message=describe_evidence(evidence), evidence=evidence
    )


def describe_evidence(evidence: Evidence) -> str:
    """Evidence for people: "killed (SIGKILL after 30 s), pid 4711 on w-7, 0 children left"."""
    parts = [_end(evidence)]
    if evidence.pid:
        where = f" on {evidence.host}" if evidence.host else ""
        parts.append(f"pid {evidence.pid}{where}")
    elif evidence.container:
        parts.append(f"container {evidence.container}")
    if evidence.kind in {StopKind.EXITED, StopKind.KILLED}:
        left = evidence.escaped_children
        parts.append("children unknown" if left is None else f"{left} children left")
    return ", ".join(parts)


def _end(evidence: Evidence) -> str:
    after = "" if evidence.stop_us is None else f" after {evidence.stop_us / 1e6:.3g} s"
    if evidence.kind is StopKind.KILLED:
        name = _SIGNALS.get(evidence.signal, f"signal {evidence.signal}")
        return f"killed ({name}{after})"
    if evidence.kind is StopKind.EXITED:
        return f"exited with {evidence.exit_code}{after}"
    if evidence.kind is StopKind.CONTAINER_GONE:
        return f"container gone{after}"
    return "never started"
