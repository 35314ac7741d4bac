"""The states a run can be in."""

from __future__ import annotations

from enum import StrEnum


class StateType(StrEnum):
    """State of a run; the same machine for flow runs and task runs."""

    SCHEDULED = "SCHEDULED"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    RETRYING = "RETRYING"
    CANCELLING = "CANCELLING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    CRASHED = "CRASHED"
    TIMED_OUT = "TIMED_OUT"
    SKIPPED = "SKIPPED"

    @property
    def number(self) -> int:
        """The state's number in the contract (`RunState`)."""
        return _NUMBERS[self]

    @property
    def terminal(self) -> bool:
        """Whether a run in this state has ended."""
        return self in TERMINAL_STATES


_NUMBERS = {state: number for number, state in enumerate(StateType, start=1)}

TERMINAL_STATES = frozenset(
    {
        StateType.COMPLETED,
        StateType.FAILED,
        StateType.CANCELLED,
        StateType.CRASHED,
        StateType.TIMED_OUT,
        StateType.SKIPPED,
    }
)
