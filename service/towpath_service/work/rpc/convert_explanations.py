"""Converts reasons for a run's state into messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from towpath.api.v1 import run_service_pb2 as pb

from towpath_service.rpc.times import set_time

if TYPE_CHECKING:
    from towpath_service.work.domain.explanations import Reason

MOST_RESOURCES: Final = 20


def to_explanation(reason: Reason) -> pb.RunExplanation:
    """A reason as a message."""
    kind: Any = int(reason.kind)
    message = pb.RunExplanation(
        kind=kind,
        message=reason.message,
        command=reason.command,
        resources=reason.resources[:MOST_RESOURCES],
        position=reason.position,
    )
    if reason.end_us is not None:
        set_time(message.end_time, reason.end_us)
    return message
