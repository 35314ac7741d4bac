"""Futures inside arguments: the engine finds them here, and puts results in their place."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from towpath._class_cache import class_of
from towpath._engine.containers import Kind, kind_of, parts_of
from towpath._engine.rebuilding import Rebuilding
from towpath._runs.futures import ended_future
from towpath.annotations import allow_failure
from towpath.states import State, result_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from towpath._runs.futures import Future, Waits

BUDGET: Final = 200_000
"""Most containers that are searched in a parameter; plain values and futures don't count."""

_NONE: Final[frozenset[str]] = frozenset()
_log: Final = logging.getLogger("towpath.engine")


@dataclass(slots=True, kw_only=True)
class Arguments:
    """Parameters of a call, and the futures that stand in them."""

    parameters: dict[str, Any]
    waits: Waits
    wrapped: frozenset[str]
    """Parameters that hold a future, a state, or a wrapper such as `quote`."""
    found: dict[int, Future[Any]]
    """The futures by the id of what stands in the parameters: a future itself, or a state."""

    def resolved(self) -> dict[str, Any]:
        """The parameters with results in the place of futures, which must have ended.

        What holds neither a future nor a wrapper is handed on as the object that it is. The rest
        is copied, without a call of `__init__` or `__post_init__`.
        """
        if not self.wrapped:
            return self.parameters

        def replaced(each: Any, allowed: bool) -> Any:
            future = self.found.get(id(each))
            # A future that came into a list after the search has perhaps not ended.
            return each if future is None else _result(future, allowed)

        rebuilding = Rebuilding(replaced)
        return {
            name: rebuilding.rebuilt(value) if name in self.wrapped else value
            for name, value in self.parameters.items()
        }


def search(parameters: dict[str, Any]) -> Arguments:
    """Finds the futures and the states of runs inside parameters, at any depth.

    Lists, tuples, sets, dicts, dataclasses and pydantic models are searched, each object once, the
    outer ones first; what stands in `quote` is not. After BUDGET containers the search of a
    parameter ends with a warning: futures that it did not find are passed as they are.
    """
    waits: Waits = []
    if not parameters:
        return Arguments(parameters=parameters, waits=waits, wrapped=_NONE, found={})
    wrapped: set[str] = set()
    found: dict[int, Future[Any]] = {}
    for name, value in parameters.items():
        if kind_of(class_of(value)) is Kind.LEAF:
            continue
        walk = _Walk()
        for each, allowed in walk.futures_in(value):
            future = found[id(each)] = ended_future(each) if each.__class__ is State else each
            waits.append((future, name, allowed))
        if walk.wraps:
            wrapped.add(name)
        if walk.left_over:
            _log.warning(
                "parameter %r holds more than %d containers: only the first ones were searched for"
                " futures; if it holds none, pass it in quote(...)",
                name,
                BUDGET,
            )
    return Arguments(parameters=parameters, waits=waits, wrapped=frozenset(wrapped), found=found)


@dataclass(slots=True)
class _Walk:
    """One breadth-first walk through a parameter."""

    wraps: bool = False
    left_over: bool = False
    seen: dict[tuple[int, bool], Any] = field(default_factory=dict[tuple[int, bool], Any])
    """All containers so far, kept alive so that no other object gets their ids meanwhile."""

    def futures_in(self, value: Any) -> Iterator[tuple[Any, bool]]:
        waiting = deque([(value, False)])
        while waiting:
            each, allowed = waiting.popleft()
            kind = kind_of(class_of(each))
            if kind is Kind.LEAF or (id(each), allowed) in self.seen:
                continue
            if kind is Kind.FUTURE:
                self.wraps = True
                yield each, allowed
                continue
            if len(self.seen) >= BUDGET:
                self.left_over = True
                continue
            self.seen[id(each), allowed] = each
            if kind is Kind.QUOTE:
                self.wraps = True
                continue
            if kind in {Kind.WRAPPER, Kind.OPAQUE}:
                self.wraps = True
                allowed = allowed or type(each) is allow_failure
            waiting.extend((part, allowed) for part in parts_of(each, kind))


def _result(future: Future[Any], allowed: bool) -> Any:
    state = future.state
    if allowed and not state.is_completed():
        future.child.handle()
        return result_of(state, raise_on_failure=False)
    return state.value


def waits_for(wait_for: Any) -> Waits:
    """The futures in `wait_for`: one, or a list of them and of other values, at any depth."""
    if not wait_for:
        return []
    return [(future, "", allowed) for future, _, allowed in search({"": wait_for}).waits]
