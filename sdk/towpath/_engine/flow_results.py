"""What a flow returns: futures become results, and states decide how the run ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from towpath._class_cache import class_of
from towpath._engine.arguments import search
from towpath._engine.rebuilding import Rebuilding
from towpath._engine.returned import failure_in
from towpath._runs.futures import Future, FutureList
from towpath.states import State, result_of

if TYPE_CHECKING:
    from collections.abc import Iterable

_GROUPS: Final[frozenset[type[Any]]] = frozenset({list, tuple, set, FutureList})
_RETURNED: Final = "the returned value"


def settled(value: Any, *, strict: bool, searched: bool) -> Any:
    """Returns the value of a flow run, or the state that it is to end in.

    Args:
        value: What the flow's function returned; the runs of its futures have ended.
        strict: Whether results replace futures; else their states do.
        searched: Whether futures may stand anywhere in it.

    Returns:
        A state that the flow's code made; a state of a run that didn't complete, where it returned
        that or its future, alone or in a list; else the value.
    """
    kind = class_of(value)
    if kind is Future:
        return _single(value.final_state())
    if kind is State:
        return _single(value) if value.run_id else value
    if kind in _GROUPS and value and _are_runs(value):
        return _group(value, strict=strict)
    return _searched(value, strict=strict) if searched else value


def _single(state: State[Any]) -> Any:
    return failure_in([state]) or result_of(state)


def _are_runs(values: Iterable[Any]) -> bool:
    return all(each.__class__ is Future or each.__class__ is State for each in values)


def _group(values: Any, *, strict: bool) -> Any:
    states = [_state_of(each) for each in values]
    wrong = failure_in(states)
    if wrong is not None:
        return wrong
    if all(each.__class__ is State for each in values):
        return values
    items: Any = [
        result_of(state) if strict and each.__class__ is Future else state
        for each, state in zip(values, states, strict=True)
    ]
    kind: Any = class_of(values)
    made: Any = items if kind is FutureList else kind(items)
    return made


def _state_of(each: Any) -> State[Any]:
    state: State[Any] = each.final_state() if each.__class__ is Future else each
    return state


def _searched(value: Any, *, strict: bool) -> Any:
    """A value with the results, or the states, in the place of futures within it."""
    arguments = search({_RETURNED: value})
    futures = [each for each in arguments.found.values() if id(each) in arguments.found]
    if not futures:
        return value
    states = [future.final_state() for future in futures]
    wrong = failure_in(states) if strict else None
    if wrong is not None:
        return wrong

    def replaced(each: Any, allowed: bool) -> Any:
        del allowed
        if each.__class__ is not Future:
            return each
        state: State[Any] = each.final_state()
        return result_of(state) if strict else state

    return Rebuilding(replaced).rebuilt(value)
