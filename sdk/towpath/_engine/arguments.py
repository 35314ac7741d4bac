"""Futures inside arguments: finding them, and putting their results in their place."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from towpath.annotations import allow_failure, quote, unmapped
from towpath.futures import Future

if TYPE_CHECKING:
    from collections.abc import Callable


def visit(value: Any, replace: Callable[[Future[Any], bool], Any]) -> Any:
    """A value with each future in it replaced, at any depth.

    Args:
        value: Lists, tuples, sets, dicts and dataclasses are searched; `quote` is not.
        replace: Is called with a future and whether its failure is allowed.
    """
    match value:
        case Future():
            return replace(value, False)
        case allow_failure():
            return visit(value.value, lambda future, _: replace(future, True))
        case unmapped():
            return visit(value.value, replace)
        case quote():
            return value.value
        case list() | set() | frozenset():
            return type(value)(visit(item, replace) for item in value)
        case tuple():
            items = [visit(item, replace) for item in value]
            return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
        case dict():
            return {visit(k, replace): visit(v, replace) for k, v in value.items()}
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return _visit_dataclass(value, replace)
        case _:
            return value


def _visit_dataclass(value: Any, replace: Callable[[Future[Any], bool], Any]) -> Any:
    changes = {
        item.name: visit(getattr(value, item.name), replace)
        for item in dataclasses.fields(value)
        if item.init
    }
    if all(changes[name] is getattr(value, name) for name in changes):
        return value
    return dataclasses.replace(value, **changes)


def futures_in(parameters: dict[str, Any]) -> list[tuple[Future[Any], str, bool]]:
    """Each future inside parameters, with the parameter's name and whether it may fail."""
    found: list[tuple[Future[Any], str, bool]] = []
    for name, value in parameters.items():

        def note(future: Future[Any], allowed: bool, name: str = name) -> Future[Any]:
            found.append((future, name, allowed))
            return future

        visit(value, note)
    return found


def resolved(parameters: dict[str, Any]) -> dict[str, Any]:
    """Parameters with results in the place of futures, which must have ended."""

    def result(future: Future[Any], allowed: bool) -> Any:
        state = future.state
        if allowed and not state.is_completed():
            future.child.handle()
            return state.exception
        return state.value

    return {name: visit(value, result) for name, value in parameters.items()}
