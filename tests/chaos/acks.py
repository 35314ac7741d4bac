"""Acks as they left a server: read out of the system calls that sent them.

Knows as much of HTTP/2 and gRPC as it takes to find messages in what a server writes to a socket.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from towpath.api.v1 import ingest_service_pb2 as pb

from tests.chaos.tracing import SENDS, Call, is_sync, is_write

if TYPE_CHECKING:
    from collections.abc import Sequence

_FRAME: Final = struct.Struct(">BHBBI")
_MESSAGE: Final = struct.Struct(">BI")
_DATA: Final = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SentAck:
    """An ack of a stream of updates, and where in the trace it began to leave."""

    sequence: int
    sent: int


def acks_sent(calls: Sequence[Call]) -> list[SentAck]:
    """Every ack that a traced server sent on streams, in order."""
    pending: dict[str, bytes] = defaultdict(bytes)
    messages: dict[tuple[str, int], bytes] = defaultdict(bytes)
    found: list[SentAck] = []
    for call in calls:
        if call.name not in SENDS or not call.path.startswith("socket:"):
            continue
        pending[call.path] += call.data
        frames, pending[call.path] = _frames(pending[call.path])
        for stream, data in frames:
            whole, messages[call.path, stream] = _messages(messages[call.path, stream] + data)
            found.extend(
                SentAck(sequence=answer.ack.committed_sequence, sent=call.began)
                for answer in map(pb.StreamUpdatesResponse.FromString, whole)
                if answer.HasField("ack")
            )
    return found


def acks_before_their_sync(calls: Sequence[Call], acks: Sequence[SentAck], log: str) -> list[int]:
    """Acks of batches sent one by one that left before what they tell of was on the disk.

    Between each ack and the one before, the log must have been written, and a sync of it that began
    after that must have ended.

    Args:
        calls: The trace.
        acks: Each of a batch that was sent once the one before was acknowledged.
        log: What the path of the write-ahead log has in it.
    """
    found: list[int] = []
    since = 0
    for ack in acks:
        between = [call for call in calls if since < call.began < ack.sent]
        writes = [call.began for call in between if is_write(call, log)]
        syncs = [
            call.began for call in between if is_sync(call, log) and 0 <= call.ended < ack.sent
        ]
        if not writes or not any(sync > writes[0] for sync in syncs):
            found.append(ack.sequence)
        since = ack.sent
    return found


def _frames(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """Stream and payload of each data frame, and the rest that is no whole frame yet."""
    found: list[tuple[int, bytes]] = []
    while len(data) >= _FRAME.size:
        high, low, kind, _flags, stream = _FRAME.unpack_from(data)
        end = _FRAME.size + (high << 16) + low
        if len(data) < end:
            break
        if kind == _DATA:
            found.append((stream, data[_FRAME.size : end]))
        data = data[end:]
    return found, data


def _messages(data: bytes) -> tuple[list[bytes], bytes]:
    """Whole messages of a stream, and the rest that is none yet."""
    found: list[bytes] = []
    while len(data) >= _MESSAGE.size:
        _compressed, size = _MESSAGE.unpack_from(data)
        end = _MESSAGE.size + size
        if len(data) < end:
            break
        found.append(data[_MESSAGE.size : end])
        data = data[end:]
    return found, data
