"""Control of runs: cancellation, pauses, and the explanation of a state."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from towpath.api.v1 import run_service_pb2 as pb
from towpath.client import _convert_runs as convert
from towpath.client._calls import Subject
from towpath.client._convert import to_optional_time, to_time
from towpath.exceptions import FlowPauseTimeout, NotPausedError, RpcError

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from datetime import datetime

    from towpath._state_type import StateType
    from towpath.client._run_values import Pause, Run


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
_SLACK_SECONDS: Final = 10.0
_REFUSALS: Final = frozenset({"PAUSE_ANSWERED", "TRANSITION_NOT_ALLOWED", "NOT_DISPATCHABLE"})


class RunControl(Subject):
    """Cancels, pauses and explains runs; a `Client` has these methods itself."""

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

    def pause(self, run_id: str, *, message: str = "") -> Run:
        """Pauses a run until it is resumed.

        A run that waits for a worker leaves the queue. One that executes is paused by its process
        before its next task, and is RUNNING until then. A repeat changes nothing.

        Args:
            run_id: Full id of the run.
            message: Why, for people.

        Returns:
            The run as it is now.

        Raises:
            NotFound: There is no such run.
            NotPausedError: It has ended; or it waits, and is of no deployment.
        """
        request = pb.PauseRunRequest(name=f"{self._parent}/runs/{run_id}", message=message)
        with _refused_pauses():
            answer = self._calls.unary("RunService/PauseRun", request, pb.PauseRunResponse)
        return convert.to_run(answer.run)

    def resume(
        self,
        run_id: str,
        run_input: Mapping[str, Any] | None = None,
        *,
        key: str = "",
        request_id: str = "",
    ) -> Run:
        """Resumes a paused run, with the input that it waits for.

        Args:
            run_id: Full id of the run.
            run_input: The input by name, values that JSON has; None for none.
            key: Key of the pause; empty for the one that the run is in.
            request_id: A UUID: a repeat with the same one is answered as the first; empty for none.

        Returns:
            The run as it is now.

        Raises:
            NotFound: There is no such run.
            InvalidRequest: The input doesn't fit.
            NotPausedError: It doesn't wait to be resumed: another may have resumed it.
            FlowPauseTimeout: Its deadline has passed.
        """
        request = pb.ResumeRunRequest(
            name=f"{self._parent}/runs/{run_id}", pause_key=key, request_id=request_id
        )
        if run_input is not None:
            request.input.data = json.dumps(dict(run_input)).encode()
        with _refused_pauses():
            answer = self._calls.unary("RunService/ResumeRun", request, pb.ResumeRunResponse)
        return convert.to_run(answer.run)

    def await_input(
        self, run_id: str, key: str, *, wait_seconds: float = 0.0
    ) -> tuple[StateType, Pause | None]:
        """Waits until a pause is answered: for the process of a run.

        Args:
            run_id: Full id of the run.
            key: Key of the pause.
            wait_seconds: Longest wait, at most 60.

        Returns:
            The run's state, and the pause; None while the service knows of none with that key.

        Raises:
            NotFound: There is no such run.
        """
        request = pb.AwaitRunInputRequest(name=f"{self._parent}/runs/{run_id}", pause_key=key)
        request.wait.FromMicroseconds(round(wait_seconds * 1e6))
        answer = self._calls.unary(
            "RunService/AwaitRunInput",
            request,
            pb.AwaitRunInputResponse,
            timeout_seconds=wait_seconds + _SLACK_SECONDS,
        )
        pause = convert.to_pause(answer.pause) if answer.HasField("pause") else None
        return convert.to_state(answer.state), pause

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


@contextmanager
def _refused_pauses() -> Generator[None]:
    """Raises the refusal to pause or resume a run as its own error."""
    try:
        yield
    except RpcError as error:
        if error.reason == "PAUSE_EXPIRED":
            raise FlowPauseTimeout(str(error)) from error
        if error.reason in _REFUSALS:
            raise NotPausedError(str(error)) from error
        raise


def _reason(message: pb.RunExplanation) -> Reason:
    return Reason(
        kind=pb.ExplanationKind.Name(message.kind).removeprefix(_PREFIX),
        message=message.message,
        command=message.command,
        resources=tuple(message.resources),
        ends=to_optional_time(message, "end_time"),
        position=message.position,
    )
