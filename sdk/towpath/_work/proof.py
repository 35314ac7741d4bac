"""Evidence of how a run's process ended, and why."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Final, Literal

ProofKind = Literal["EXITED", "KILLED", "CONTAINER_GONE", "NEVER_STARTED"]

COMPLETED: Final = 0
FAILED: Final = 1
START_FAILED: Final = 2
CANCELLED: Final = 7
LEFT: Final = 75
"""Exit code of a run that is suspended, or that another lease has taken over."""
TIMED_OUT: Final = 124

CANNOT_START: Final = "towpath: the run can't start: "
"""Begins what the process of a run writes to stderr when its code or parameters can't be loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopProof:
    """Evidence that nothing of a run executes any more.

    Attributes:
        kind: EXITED or KILLED for a process, CONTAINER_GONE, or NEVER_STARTED.
        lease_id: Lease under which it ran.
        host: Machine on which it ran.
        container: Container in which it ran; empty for a process of the machine itself.
        observed_time: When the end was seen: seconds since the Unix epoch, by that machine's clock.
        exit_code: Exit code of an EXITED process.
        signal: Number of the signal that ended a KILLED process; None when it is unknown.
        pid: The process; None for one that never started.
        escaped_children: Number of its processes that are still alive; None when nobody can say so.
    """

    kind: ProofKind
    lease_id: str
    host: str
    observed_time: float
    container: str = ""
    exit_code: int | None = None
    signal: int | None = None
    pid: int | None = None
    escaped_children: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """The end of a run's process.

    Attributes:
        proof: The evidence.
        reason: STOP_REQUESTED, DEADLINE, LOST_CONTACT or SHUTDOWN, where the supervisor sent
            SIGTERM; OUT_OF_MEMORY; START_FAILED; SUPERVISOR_LOST; else empty.
        message: What more there is to say, for people.
    """

    proof: StopProof
    reason: str = ""
    message: str = ""

    @property
    def start_failed(self) -> bool:
        """Whether the run's code never began."""
        return self.proof.kind == "NEVER_STARTED" or self.proof.exit_code == START_FAILED


def not_started(lease_id: str, message: str) -> RunEnd:
    """The end of a run whose process never began.

    Args:
        lease_id: Its lease.
        message: Why it didn't.
    """
    return RunEnd(
        proof=StopProof(
            kind="NEVER_STARTED",
            lease_id=lease_id,
            host=os.uname().nodename,
            observed_time=time.time(),
            escaped_children=0,
        ),
        reason="START_FAILED",
        message=message,
    )
