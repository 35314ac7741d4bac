"""Converts pauses of runs into messages; used by the run handlers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath.api.v1 import run_pause_pb2

from towpath_service.rpc.times import set_time

if TYPE_CHECKING:
    from towpath_service.runs.domain.pauses import Pause


def to_pause(pause: Pause) -> run_pause_pb2.RunPause:
    """A pause as everyone sees it who may see the run: without its input."""
    message = run_pause_pb2.RunPause(
        key=pause.key,
        suspended=pause.suspended,
        input_schema_json=pause.input_schema,
        answered_by=pause.actor,
    )
    set_time(message.create_time, pause.created_us)
    if pause.deadline_us is not None:
        set_time(message.deadline, pause.deadline_us)
    if pause.answered_us is not None:
        set_time(message.answer_time, pause.answered_us)
    return message


def to_answered(pause: Pause, now_us: int) -> run_pause_pb2.RunPause:
    """A pause as the process of its run sees it."""
    message = to_pause(pause)
    message.expired = pause.is_expired(now_us)
    if pause.input is not None:
        message.input.content_type = "application/json"
        message.input.data = pause.input.encode()
        message.input.size_bytes = len(message.input.data)
    return message
