"""Times and spans between messages and microseconds."""

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
    """Microseconds of a time.

    Raises:
        ServiceError: INVALID_REQUEST, naming the field, for what is no time of the years 1 to 9999:
            databases can't hold it, and no answer could tell it.
    """
    seconds, nanos = value.seconds, value.nanos
    if not (_FIRST_SECOND <= seconds <= _LAST_SECOND and 0 <= nanos < _NANOS):
        raise invalid(field, "must be a time of the years 1 to 9999")
    return seconds * 1_000_000 + nanos // 1000


def span_us(value: Duration, field: str) -> int:
    """Microseconds of a span.

    Raises:
        ServiceError: INVALID_REQUEST, naming the field, for more than 10,000 years.
    """
    seconds, nanos = value.seconds, value.nanos
    if not (abs(seconds) <= _LONGEST_SECONDS and abs(nanos) < _NANOS):
        raise invalid(field, "must be a span of at most 10,000 years")
    return seconds * 1_000_000 + nanos // 1000


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
