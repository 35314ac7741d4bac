"""Converts timestamps and durations between messages and microseconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from towpath_service.core.errors import invalid

if TYPE_CHECKING:
    from google.protobuf.duration_pb2 import Duration
    from google.protobuf.timestamp_pb2 import Timestamp

_FIRST_SECOND: Final = -62_135_596_800
_LAST_SECOND: Final = 253_402_300_799
_LONGEST_SECONDS: Final = 315_576_000_000
_NANOS: Final = 1_000_000_000


def to_us(value: Timestamp, field: str) -> int:
    """A timestamp in microseconds.

    Raises:
        ServiceError: INVALID_REQUEST, naming the field, for a time outside the years 1 to 9999,
            which databases can't store and responses can't contain.
    """
    seconds, nanos = value.seconds, value.nanos
    if not (_FIRST_SECOND <= seconds <= _LAST_SECOND and 0 <= nanos < _NANOS):
        raise invalid(field, "must be a time of the years 1 to 9999")
    return seconds * 1_000_000 + nanos // 1000


def span_us(value: Duration, field: str) -> int:
    """A duration in microseconds.

    Raises:
        ServiceError: INVALID_REQUEST, naming the field, for more than 10,000 years.
    """
    seconds, nanos = value.seconds, value.nanos
    if not (abs(seconds) <= _LONGEST_SECONDS and abs(nanos) < _NANOS):
        raise invalid(field, "must be a span of at most 10,000 years")
    return seconds * 1_000_000 + nanos // 1000


def set_time(target: Timestamp, value_us: int | None) -> None:
    """Sets a timestamp; None leaves it unset."""
    if value_us is not None:
        target.seconds, rest = divmod(value_us, 1_000_000)
        target.nanos = rest * 1000


def set_span(target: Duration, value_us: int | None) -> None:
    """Sets a duration; None leaves it unset."""
    if value_us is not None:
        target.seconds, rest = divmod(value_us, 1_000_000)
        target.nanos = rest * 1000


def set_offset(target: Duration, value_us: int | None) -> None:
    """Sets a duration that may be negative; None leaves it unset."""
    if value_us is not None:
        target.FromMicroseconds(value_us)
