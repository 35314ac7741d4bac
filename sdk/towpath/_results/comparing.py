"""Whether a value that was read back is the one that was written."""

from __future__ import annotations

from enum import Enum
from typing import Any, Final

from towpath._results.encoding import canonical, dumps
from towpath._results.object_state import is_record, state_of
from towpath._results.scalars import is_same_scalar, is_scalar

_QUICK: Final = frozenset({int, bool, str, type(None)})
"""Classes whose values are equal only if they can't be told apart."""


def difference(one: Any, other: Any, where: str = "") -> str | None:
    """The place of the first difference between two values, "" for the values themselves.

    Stricter than `==`: classes count, zones and folds of times, signs of zeros, the order of dicts,
    and attributes that equality passes over. None where there is no difference.
    """
    kind = type(one)
    if kind is not type(other):
        return where
    if is_scalar(kind):
        return None if is_same_scalar(one, other) else where
    if isinstance(one, Enum):
        return None if one is other else where
    if kind is dict:
        return _first(where, list(_items(one)), list(_items(other)))
    if kind in {list, tuple}:
        kinds = list(map(type, one))
        if set(kinds) <= _QUICK and kinds == list(map(type, other)) and one == other:
            return None
        return _first(where, _numbered(one), _numbered(other))
    if kind in {set, frozenset}:
        return _first(where, _numbered(_sorted(one)), _numbered(_sorted(other)))
    if not is_record(kind):
        return where
    states = [state_of(each) for each in (one, other)]
    parts = [
        [(f".{name}", item) for held in (s.attributes, s.slots) for name, item in held.items()]
        for s in states
    ]
    return _first(where, *parts)


def _first(where: str, ones: list[tuple[str, Any]], others: list[tuple[str, Any]]) -> str | None:
    if [place for place, _ in ones] != [place for place, _ in others]:
        return where
    for (place, one), (_, other) in zip(ones, others, strict=True):
        found = difference(one, other, where + place)
        if found is not None:
            return found
    return None


def _items(value: dict[Any, Any]) -> Any:
    for number, (key, item) in enumerate(value.items()):
        yield f"[key {number}]", key
        yield f"[{key!r}]", item


def _numbered(items: Any) -> list[tuple[str, Any]]:
    return [(f"[{number}]", item) for number, item in enumerate(items)]


def _sorted(items: Any) -> list[Any]:
    return sorted(items, key=lambda item: canonical(dumps(item).decode()))
