"""States of runs, as user code gets them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from towpath._state_type import StateType
from towpath.exceptions import RunError

R = TypeVar("R")

__all__ = ["State", "StateType"]


@dataclass(frozen=True, slots=True, kw_only=True)
class State(Generic[R]):
    """The state of a run, with its result or the exception that ended it.

    Attributes:
        type: The kind of state.
        reason: Why the run is in this state, "CACHED"; empty without a reason of its own.
        message: An explanation for people; may be empty.
        value: The result of a completed run.
        exception: The exception that ended the run; None if there is none.
    """

    type: StateType
    reason: str = ""
    message: str = ""
    value: R | None = field(default=None, repr=False)
    exception: BaseException | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The reason if there is one, else the type."""
        return self.reason or self.type.value

    def is_completed(self) -> bool:
        """Whether the run ended as intended."""
        return self.type is StateType.COMPLETED

    def is_failed(self) -> bool:
        """Whether user code raised, or a flow's tasks failed."""
        return self.type is StateType.FAILED

    def is_final(self) -> bool:
        """Whether the run has ended."""
        return self.type.terminal

    def result(self, *, raise_on_failure: bool = True) -> Any:
        """Returns the run's result.

        Args:
            raise_on_failure: Raise the exception that ended the run; otherwise return it.

        Returns:
            The result of a completed run; of another, with `raise_on_failure=False`, the exception.

        Raises:
            RunError: The run has not completed, and has no exception of its own.
            BaseException: The exception that ended the run.
        """
        if self.is_completed():
            return self.value
        exception = self.exception or RunError(f"the run is {self.type.value}: {self.message}")
        if raise_on_failure:
            raise exception
        return exception
