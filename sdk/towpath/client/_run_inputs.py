"""Inputs that runs send to each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import uuid_utils

from towpath.api.v1 import run_service_pb2 as pb
from towpath.client import _convert_runs as convert
from towpath.client._calls import Subject
from towpath.client._convert import to_time

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from towpath._state_type import StateType
    from towpath.api.v1 import run_input_pb2

_SLACK_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SentInput:
    """An input that was sent to a run."""

    run_id: str
    """The run that it was sent to."""
    input_id: str
    key_prefix: str
    """What kind of input it is."""
    sender: str
    """Who sent it, in the sender's words; empty for nobody."""
    content: str
    """JSON."""
    position: int
    """Place among the inputs of its run, from 1."""
    created: datetime


class RunInputs(Subject):
    """Sends and receives inputs of runs; a `Client` has these methods itself."""

    def send_input(
        self,
        run_id: str,
        content: str,
        *,
        key_prefix: str,
        sender: str = "",
        input_id: str = "",
    ) -> SentInput:
        """Sends an input to a run, whose code receives it.

        Args:
            run_id: Full id of the run.
            content: The input: JSON of at most 256 KiB.
            key_prefix: What kind of input it is, 1 to 200 characters: receivers ask for one kind.
            sender: Who sends it; empty for nobody.
            input_id: A UUID: a repeat with the same one sends no second input; empty for a new one.

        Returns:
            The input as it is stored.

        Raises:
            NotFound: There is no such run.
            InvalidRequest: The content is no JSON, or too large.
            RpcError: The run has ended; it has 10,000 inputs; or the tenant's storage is full.
        """
        request = pb.SendRunInputRequest(name=f"{self._parent}/runs/{run_id}")
        new = request.input
        new.input_id = input_id or str(uuid_utils.uuid7())
        new.key_prefix, new.sender = key_prefix, sender
        new.content.data = content.encode()
        answer = self._calls.unary("RunService/SendRunInput", request, pb.SendRunInputResponse)
        return _sent(run_id, answer.input)

    def receive_inputs(
        self, run_id: str, *, key_prefix: str, after_position: int = 0, wait_seconds: float = 0.0
    ) -> tuple[StateType, Sequence[SentInput]]:
        """Waits until a run has inputs of a kind; they stay, for other receivers.

        Args:
            run_id: Full id of the run.
            key_prefix: The kind.
            after_position: Only inputs after this position; 0 from the first on.
            wait_seconds: Longest wait while there is none, at most 60.

        Returns:
            The run's state, and at most 16 inputs in their order.

        Raises:
            NotFound: There is no such run.
        """
        request = pb.ReceiveRunInputsRequest(
            name=f"{self._parent}/runs/{run_id}",
            key_prefix=key_prefix,
            after_position=after_position,
        )
        request.wait.FromMicroseconds(round(wait_seconds * 1e6))
        answer = self._calls.unary(
            "RunService/ReceiveRunInputs",
            request,
            pb.ReceiveRunInputsResponse,
            timeout_seconds=wait_seconds + _SLACK_SECONDS,
        )
        return convert.to_state(answer.state), [_sent(run_id, item) for item in answer.inputs]


def _sent(run_id: str, message: run_input_pb2.RunInput) -> SentInput:
    return SentInput(
        run_id=run_id,
        input_id=message.input_id,
        key_prefix=message.key_prefix,
        sender=message.sender,
        content=message.content.data.decode(),
        position=message.position,
        created=to_time(message.create_time),
    )
