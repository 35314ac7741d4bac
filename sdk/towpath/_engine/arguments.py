"""Futures inside arguments: finding them, and putting their results in their place."""

from __future__ import annotations

import copy
import dataclasses
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from towpath._runs.futures import Future
from towpath.annotations import allow_failure, quote, unmapped

if TYPE_CHECKING:
    from collections.abc import Callable

    Replace = Callable[[Future[Any], bool], Any]

_SEQUENCES: Final[tuple[type[Any], ...]] = (list, set, frozenset, tuple)
_LEAVES: Final = frozenset({str, int, float, bool, bytes, type(None)})


def visit(value: Any, replace: Replace) -> Any:
    """A value with each future in it replaced, at any depth; the same object if there is none.

    Args:
        value: Lists, tuples, sets, dicts, dataclasses and pydantic models are searched; `quote`
            is not.
        replace: Is called with a future and whether its failure is allowed.
    """
    return _visit(value, replace, ())


def futures_in(parameters: dict[str, Any]) -> list[tuple[Future[Any], str, bool]]:
    """Each future inside parameters, with the parameter's name and whether it may fail."""
    found: list[tuple[Future[Any], str, bool]] = []
    for name, value in parameters.items():
        if type(value) in _LEAVES:
            continue

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


def _visit(value: Any, replace: Replace, around: tuple[int, ...]) -> Any:
    kind: type[Any] = value.__class__
    if kind in _LEAVES:
        return value
    if kind is Future:
        return replace(value, False)
    if kind is allow_failure:
        return _visit(value.value, lambda future, _: replace(future, True), around)
    if kind is unmapped:
        return _visit(value.value, replace, around)
    if kind is quote:
        return value.value
    if id(value) in around:
        return value
    return _visit_container(value, replace, (*around, id(value)))


def _visit_container(value: Any, replace: Replace, around: tuple[int, ...]) -> Any:
    kind: type[Any] = value.__class__
    if any(issubclass(kind, sequence) for sequence in _SEQUENCES):
        items = [_visit(item, replace, around) for item in value]
        if all(new is old for new, old in zip(items, value, strict=True)):
            return value
        return _rebuilt(kind, items)
    if issubclass(kind, dict):
        return _visit_dict(value, replace, around)
    if dataclasses.is_dataclass(kind):
        names = [item.name for item in dataclasses.fields(kind) if item.init]
        changes = _changed(value, names, replace, around)
        return dataclasses.replace(value, **changes) if changes else value
    fields: Any = getattr(kind, "__pydantic_fields__", None)
    if fields is not None:
        changes = _changed(value, list(fields), replace, around)
        return value.model_copy(update=changes) if changes else value
    return value


def _rebuilt(kind: Callable[..., Any], items: list[Any]) -> Any:
    return kind(*items) if hasattr(kind, "_fields") else kind(items)


def _visit_dict(value: dict[Any, Any], replace: Replace, around: tuple[int, ...]) -> Any:
    pairs = {
        _visit(key, replace, around): _visit(item, replace, around) for key, item in value.items()
    }
    if all(
        new is old
        for pair in zip(pairs.items(), value.items(), strict=False)
        for new, old in zip(*pair, strict=True)
    ):
        return value
    if isinstance(value, defaultdict):
        return defaultdict(value.default_factory, pairs)
    if type(value) is dict:
        return pairs
    other = copy.copy(value)
    other.clear()
    other.update(pairs)
    return other


def _changed(
    value: Any, names: list[str], replace: Replace, around: tuple[int, ...]
) -> dict[str, Any]:
    found = {name: getattr(value, name) for name in names}
    visited = {name: _visit(item, replace, around) for name, item in found.items()}
    return {name: item for name, item in visited.items() if item is not found[name]}
