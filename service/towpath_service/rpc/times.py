"""Times and spans between messages and microseconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from google.protobuf.duration_pb2 import Duration
    from google.protobuf.timestamp_pb2 import Timestamp


def to_us(value: Timestamp | Duration) -> int:
    """Microseconds of a time or span."""
    return value.seconds * 1_000_000 + value.nanos // 1000


def set_time(target: Timestamp, value_us: int | None) -> None:
    """Sets a time, leaving it unset for None."""
    if value_us is not None:
        target.seconds, rest = divmod(value_us, 1_000_000)
        target.nanos = rest * 1000


def set_span(target: Duration, value_us: int | None) -> None:
    """Sets a span, leaving it unset for None."""
    if value_us is not None:
        target.seconds, rest = divmod(value_us, 1_000_000)
        target.nanos = rest * 1000
