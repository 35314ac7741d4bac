"""Pauses of runs, and the verdicts on answers to them.

Invariants, each of which a test names:
  - a pause is answered at most once, and keeps its answer;
  - a repeated request is answered as the first was;
  - a pause is not answered after its deadline, or when its run has gone on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from towpath_service.core.errors import ServiceError
from towpath_service.runs.domain.states import RunState

if TYPE_CHECKING:
    from towpath_service.runs.domain.decisions import RunStatus

PAUSE_TIMEOUT = "PAUSE_TIMEOUT"
"""Reason of a run that FAILED at the deadline of its pause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A pause of a run. Times are microseconds since the Unix epoch."""

    key: str
    suspended: bool
    """Whether the run waits without a process."""
    input_schema: str
    """JSON Schema of the input; empty for a pause that takes none."""
    created_us: int
    deadline_us: int | None = None
    """When it can't be answered any more; None for no end."""
    answered_us: int | None = None
    input: str | None = None
    """The input that it was answered with, a JSON object; None for none."""
    actor: str = ""
    """Principal that answered it; empty until then."""
    request_id: str | None = None
    """Id of the request that answered it; None for a request without one."""

    def is_expired(self, now_us: int) -> bool:
        """Whether its deadline has passed unanswered."""
        return (
            self.answered_us is None and self.deadline_us is not None and self.deadline_us <= now_us
        )


def decide_answer(
    run: RunStatus, pause: Pause | None, request_id: str | None, now_us: int
) -> Pause | None:
    """The pause that a request answers; None if it repeats the request that has answered it.

    Args:
        run: The run, which is locked.
        pause: The pause that the request names, or else the latest of the run.
        request_id: Id of the request; None for none.
        now_us: The time, microseconds since the Unix epoch.

    Raises:
        ServiceError: PAUSE_ANSWERED, PAUSE_EXPIRED, or TRANSITION_NOT_ALLOWED: it isn't paused.
    """
    if pause is not None and pause.answered_us is not None:
        if request_id is not None and request_id == pause.request_id:
            return None
        if run.state is RunState.PAUSED:
            raise _answered(run, pause)
    if pause is None or run.state is not RunState.PAUSED or pause.answered_us is not None:
        raise _not_paused(run)
    if pause.is_expired(now_us):
        raise ServiceError(
            reason="PAUSE_EXPIRED",
            message=f"run {run.run_id} waited until its deadline, which has passed: start it anew",
            metadata={"run": run.run_id, "pause_key": pause.key},
        )
    return pause


def _answered(run: RunStatus, pause: Pause) -> ServiceError:
    by = f" by {pause.actor}" if pause.actor else ""
    return ServiceError(
        reason="PAUSE_ANSWERED",
        message=f"run {run.run_id} was resumed{by} before: this answer has no effect",
        metadata={"run": run.run_id, "pause_key": pause.key, "answered_by": pause.actor},
    )


def _not_paused(run: RunStatus) -> ServiceError:
    return ServiceError(
        reason="TRANSITION_NOT_ALLOWED",
        message=f"run {run.run_id} is {run.state.name}: it doesn't wait to be resumed",
        metadata={
            "run": run.run_id,
            "from_state": run.state.name,
            "to_state": RunState.RUNNING.name,
            "revision": str(run.revision),
        },
    )
