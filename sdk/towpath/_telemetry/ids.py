"""Ids of runs' traces, root spans and attempt spans, and the header that carries a context.

The ids are computed from the run's id, so that any process that knows the run knows its trace. They
are hashes, since a UUID as a trace id has fixed bits exactly where samplers look.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final, Self

_TRACEPARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


def trace_id_of(run_id: str) -> int:
    """Returns the id of a root run's trace: 128 bits, never 0."""
    return _hashed(run_id, 16)


def root_span_id(run_id: str) -> int:
    """Returns the id of a run's root span: 64 bits, never 0."""
    return _hashed(f"flow-run:{run_id}", 8)


def attempt_span_id(run_id: str, attempt: int) -> int:
    """Returns the id of the span of a root run's attempt, from 1: 64 bits, never 0."""
    return _hashed(f"attempt:{run_id}:{attempt}", 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class RootPlace:
    """The place of a dispatched run's root span.

    Attributes:
        trace_id: The trace.
        span_id: The root span.
        parent_span_id: The span that the run was created in; None if it is in no trace, or unknown.
        sampled: Whether what created it is sampled; True if nothing says otherwise.
    """

    trace_id: int
    span_id: int
    parent_span_id: int | None
    sampled: bool

    @classmethod
    def of(cls, run_id: str, traceparent: str) -> Self:
        """Returns the place of a run.

        Args:
            run_id: The run.
            traceparent: Header kept with it: of the span that it was created in, or of its own
                root; empty for none.
        """
        carrier = Carrier.parse(traceparent)
        own = root_span_id(run_id)
        if carrier is None:
            return cls(trace_id=trace_id_of(run_id), span_id=own, parent_span_id=None, sampled=True)
        return cls(
            trace_id=carrier.trace_id,
            span_id=own,
            parent_span_id=None if carrier.span_id == own else carrier.span_id,
            sampled=carrier.sampled,
        )


def _hashed(text: str, size: int) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=size).digest()) or 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """A span's place in a trace, in the form of W3C's `traceparent` header."""

    trace_id: int
    span_id: int
    sampled: bool

    @classmethod
    def parse(cls, traceparent: str) -> Self | None:
        """Parses a header; returns None if it isn't of version 00 or has an id of zeros."""
        match = _TRACEPARENT.fullmatch(traceparent)
        if match is None:
            return None
        trace_id, span_id, flags = (int(group, 16) for group in match.groups())
        if not trace_id or not span_id:
            return None
        return cls(trace_id=trace_id, span_id=span_id, sampled=bool(flags & 1))

    @property
    def traceparent(self) -> str:
        """The header."""
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-{int(self.sampled):02x}"
