"""The states of a run and the table of transitions between them, as data.

The table is the one in the comment at `RunState` in state.proto; a test holds the two together,
and `ServerService.GetTransitionTable` serves it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final


class RunState(IntEnum):
    """State of a run, numbered as in the contract."""

    SCHEDULED = 1
    PENDING = 2
    RUNNING = 3
    PAUSED = 4
    RETRYING = 5
    CANCELLING = 6
    COMPLETED = 7
    FAILED = 8
    CANCELLED = 9
    CRASHED = 10
    TIMED_OUT = 11
    SKIPPED = 12


SUSPENDED: Final = "SUSPENDED"
"""Reason of a PAUSED run that waits without a process."""


class Source(IntEnum):
    """The source of a transition, numbered as in the contract."""

    PRODUCER = 1
    WORKER = 2
    CALLER = 3
    SYSTEM = 4


class RunKind(IntEnum):
    """What a run executes, numbered as in the contract."""

    FLOW = 1
    TASK = 2


TERMINAL_STATES = frozenset(
    {
        RunState.COMPLETED,
        RunState.FAILED,
        RunState.CANCELLED,
        RunState.CRASHED,
        RunState.TIMED_OUT,
        RunState.SKIPPED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One allowed transition."""

    from_state: RunState | None
    to_state: RunState
    sources: frozenset[Source]
    required_reason: str = ""
    only_after_inferred: bool = False


_SOURCES = {
    "P": frozenset({Source.PRODUCER}),
    "W": frozenset({Source.WORKER}),
    "S": frozenset({Source.CALLER, Source.SYSTEM}),
}

# For each state, the states that may follow, with their sources: P the producer, W a worker, S the
# service itself or a caller of RunService.
_ALLOWED: dict[str, str] = {
    "": "SCHEDULED PS, PENDING P, RUNNING P, PAUSED P, SKIPPED P, COMPLETED P CACHED",
    "SCHEDULED": (
        "PENDING PW, RUNNING PW, PAUSED S SUSPENDED, CANCELLED PS, SKIPPED PS, TIMED_OUT S"
    ),
    "PENDING": (
        "RUNNING P, SCHEDULED WS, RETRYING PW, PAUSED P, COMPLETED P CACHED, SKIPPED P, FAILED PW,"
        " CRASHED PWS, CANCELLING S, CANCELLED PS, TIMED_OUT PS"
    ),
    "RUNNING": (
        "PAUSED P, RETRYING PWS, CANCELLING PS, COMPLETED P, FAILED P, CANCELLED P, CRASHED PWS,"
        " TIMED_OUT PS"
    ),
    "PAUSED": (
        "RUNNING P, SCHEDULED S, CANCELLING PS, CANCELLED PS, FAILED PS, CRASHED PWS, TIMED_OUT PS"
    ),
    "RETRYING": (
        "PENDING PW, RUNNING P, SCHEDULED WS, CANCELLING S, CANCELLED PS, FAILED P, CRASHED PWS,"
        " TIMED_OUT PS"
    ),
    "CANCELLING": "CANCELLED PWS, COMPLETED P, FAILED P, CRASHED PWS, TIMED_OUT PS",
    "CRASHED": "SCHEDULED S",
    "FAILED": "SCHEDULED S",
    "TIMED_OUT": "SCHEDULED S",
    "CANCELLED": "SCHEDULED S",
}

_TRUTH_AFTER_SILENCE = "RUNNING, PAUSED, RETRYING, COMPLETED, FAILED, CANCELLED, TIMED_OUT"


def _rows() -> tuple[Row, ...]:
    rows: list[Row] = []
    for before, followers in _ALLOWED.items():
        for follower in followers.split(", "):
            name, letters, *reason = follower.split()
            rows.append(
                Row(
                    from_state=RunState[before] if before else None,
                    to_state=RunState[name],
                    sources=frozenset[Source]().union(*(_SOURCES[letter] for letter in letters)),
                    required_reason="".join(reason),
                )
            )
    rows.extend(
        Row(
            from_state=RunState.CRASHED,
            to_state=RunState[name],
            sources=_SOURCES["P"],
            only_after_inferred=True,
        )
        for name in _TRUTH_AFTER_SILENCE.split(", ")
    )
    return tuple(rows)


TABLE = _rows()

_BY_ENDS = {(row.from_state, row.to_state): row for row in TABLE}


def find_row(from_state: RunState | None, to_state: RunState) -> Row | None:
    """The table's row for a pair of states, or None when there is no such transition."""
    return _BY_ENDS.get((from_state, to_state))


def is_allowed(
    from_state: RunState | None, to_state: RunState, *, after_inferred: bool = False
) -> bool:
    """Whether a history may contain a transition, from any source.

    Args:
        from_state: State before; None for a new run.
        to_state: State after.
        after_inferred: Whether the state before was inferred from silence.
    """
    row = find_row(from_state, to_state)
    return row is not None and (after_inferred or not row.only_after_inferred)
