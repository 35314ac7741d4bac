"""States that a flow or task returns, which decide how its run ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from towpath._state_type import StateType
from towpath.states import State, result_of

if TYPE_CHECKING:
    from collections.abc import Sequence


class ReturnedState(Exception):
    """A state of a run that did not complete, which its code has returned."""

    def __init__(self, state: State[Any]) -> None:
        super().__init__(state.message)
        self.state = state


def taken(value: Any) -> Any:
    """Returns what a run's code returned, unless that is a state of a run that didn't complete.

    Raises:
        ReturnedState: It is one.
    """
    if value.__class__ is State and not value.is_completed():
        raise ReturnedState(_final(value))
    return value


def _final(state: State[Any]) -> State[Any]:
    """A state that can end a run."""
    if state.is_final() and state.type is not StateType.SKIPPED:
        return state
    error = result_of(state, raise_on_failure=False)
    return State(StateType.FAILED, message=state.message or str(error), exception=error)


def failure_in(states: Sequence[State[Any]]) -> State[Any] | None:
    """Returns the state for a run that returned the states of others; None if all completed."""
    wrong = [state for state in states if not state.is_completed()]
    if not wrong:
        return None
    cancelled = [state for state in wrong if state.is_cancelled()]
    first = (cancelled or wrong)[0]
    kind = first.type if len(states) == 1 or cancelled else StateType.FAILED
    message = first.message
    if len(wrong) > 1:
        message = (
            f"{len(wrong)} of {len(states)} runs did not complete, as {first.run_name}: {message}"
        )
    error = result_of(first, raise_on_failure=False)
    return _final(State(kind, message=message, exception=error))
