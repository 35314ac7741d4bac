"""Whether a value that was read back is the one that was written."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from towpath._class_cache import class_of
from towpath._results.encoding import canonical, dumps
from towpath._results.object_state import is_record, state_of
from towpath._results.scalars import is_same_scalar, writer_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_QUICK: Final = frozenset({int, bool, str, type(None)})
"""Classes whose values are equal only if they can't be told apart."""


def difference(one: Any, other: Any) -> str | None:
    """The place of the first difference between two values, "" for the values themselves.

    Stricter than `==`: classes count, zones and folds of times, signs of zeros, the order of dicts,
    and attributes that equality passes over. None where there is no difference.
    """
    kind = class_of(one)
    if kind is not type(other):
        return ""
    if kind in _QUICK:
        return None if one == other else ""
    if writer_of(kind) is not None:
        return None if is_same_scalar(one, other) else ""
    if isinstance(one, Enum):
        return None if one is other else ""
    if kind is dict:
        return _of_dicts(one, other)
    if kind in {list, tuple}:
        return _of_sequences(one, other)
    if kind in {set, frozenset}:
        return _of_sequences(_sorted(one), _sorted(other))
    return _of_records(one, other) if is_record(kind) else ""


def _of_sequences(one: Any, other: Any) -> str | None:
    if len(one) != len(other):
        return ""
    kinds = list(map(type, one))
    if _QUICK.issuperset(kinds) and kinds == list(map(type, other)) and one == other:
        return None
    for number, (each, its_like) in enumerate(zip(one, other, strict=True)):
        found = difference(each, its_like)
        if found is not None:
            return f"[{number}]{found}"
    return None


def _of_dicts(one: dict[Any, Any], other: dict[Any, Any]) -> str | None:
    if _of_sequences(list(one), list(other)) is not None:
        return ""
    for key, each, its_like in zip(one, one.values(), other.values(), strict=True):
        found = difference(each, its_like)
        if found is not None:
            return f"[{key!r}]{found}"
    return None


def _of_records(one: Any, other: Any) -> str | None:
    first, second = state_of(one), state_of(other)
    found = _of_attributes(first.attributes, second.attributes)
    return _of_attributes(first.slots, second.slots) if found is None else found


def _of_attributes(one: Mapping[str, Any], other: Mapping[str, Any]) -> str | None:
    if list(one) != list(other):
        return ""
    for name, each in one.items():
        found = difference(each, other[name])
        if found is not None:
            return f".{name}{found}"
    return None


def _sorted(items: Iterable[Any]) -> list[Any]:
    return sorted(items, key=lambda item: canonical(dumps(item).decode()))
