"""Control of runs: cancellation, and the explanation of a state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from towpath.api.v1 import run_service_pb2 as pb
from towpath.client import _convert_runs as convert
from towpath.client._calls import Subject
from towpath.client._convert import to_optional_time, to_time

if TYPE_CHECKING:
    from datetime import datetime

    from towpath._state_type import StateType
    from towpath.client._run_values import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation:
    """The answer to a request to cancel a run."""

    run: Run
    """The run as it is now: CANCELLED, or CANCELLING until its process has ended."""
    descendants: int
    """Number of runs below it that were asked to end, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One reason for the state of a run."""

    kind: str
    """Such as "NO_WORKER"."""
    message: str
    command: str = ""
    """A command that helps; empty if none does."""
    resources: tuple[str, ...] = ()
    """Names of the resources behind it."""
    ends: datetime | None = None
    """When it ends by itself; None if that isn't known."""
    position: int = 0
    """Number of runs ahead in the queue, for QUEUE_POSITION."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The state of a run, with its reasons."""

    state: StateType
    since: datetime
    reasons: tuple[Reason, ...]
    """The decisive one first; empty for a run that executes or has ended as usual."""


_PREFIX: Final = "EXPLANATION_KIND_"


class RunControl(Subject):
    """Cancels and explains runs; a `Client` has these methods itself."""

    def cancel(
        self, run_id: str, *, message: str = "", grace_seconds: float | None = None
    ) -> Cancellation:
        """Asks a run to end, with the flow runs below it.

        A run that waits is CANCELLED at once. One that executes is CANCELLING until its process has
        ended. A repeat changes nothing.

        Args:
            run_id: Full id of the run.
            message: Why, for people.
            grace_seconds: Time to end by itself before its process is stopped; None for the pool's.

        Raises:
            NotFound: There is no such run.
            Conflict: The run has ended.
        """
        request = pb.CancelRunRequest(name=f"{self._parent}/runs/{run_id}", message=message)
        if grace_seconds is not None:
            request.grace_period.FromMicroseconds(round(grace_seconds * 1e6))
        answer = self._calls.unary("RunService/CancelRun", request, pb.CancelRunResponse)
        return Cancellation(run=convert.to_run(answer.run), descendants=answer.descendant_count)

    def explain(self, run_id: str) -> Explanation:
        """Explains what a run waits for, or why it is in its state.

        Args:
            run_id: Full id of the run.

        Raises:
            NotFound: There is no such run.
        """
        request = pb.ExplainRunRequest(name=f"{self._parent}/runs/{run_id}")
        answer = self._calls.unary("RunService/ExplainRun", request, pb.ExplainRunResponse)
        return Explanation(
            state=convert.to_state(answer.state),
            since=to_time(answer.state_time),
            reasons=tuple(map(_reason, answer.explanations)),
        )


def _reason(message: pb.RunExplanation) -> Reason:
    return Reason(
        kind=pb.ExplanationKind.Name(message.kind).removeprefix(_PREFIX),
        message=message.message,
        command=message.command,
        resources=tuple(message.resources),
        ends=to_optional_time(message, "end_time"),
        position=message.position,
    )
