"""The objects that the search for futures looks into, and their contents."""

from __future__ import annotations

import dataclasses
from contextlib import suppress
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final

from towpath._class_cache import cached_by_class, class_of
from towpath._runs.futures import Future
from towpath.annotations import allow_failure, freeze, opaque, quote, unmapped
from towpath.states import State

if TYPE_CHECKING:
    from collections.abc import Iterable

_LEAVES: Final = frozenset({str, int, float, bool, bytes, type(None)})


class Kind(Enum):
    """The kind of a class in the search."""

    LEAF = auto()
    FUTURE = auto()
    """A future, or the state of a run."""
    WRAPPER = auto()
    """`allow_failure`, `unmapped` and such: searched, and replaced by what they hold."""
    OPAQUE = auto()
    """`opaque`: replaced by what it holds, of which only a future itself is looked at."""
    QUOTE = auto()
    SEQUENCE = auto()
    DICT = auto()
    DATACLASS = auto()
    MODEL = auto()


_OWN: Final[dict[type, Kind]] = {
    Future: Kind.FUTURE,
    State: Kind.FUTURE,
    allow_failure: Kind.WRAPPER,
    freeze: Kind.WRAPPER,
    unmapped: Kind.WRAPPER,
    opaque: Kind.OPAQUE,
    quote: Kind.QUOTE,
}


_RESOLVED: Final = frozenset({Kind.FUTURE, Kind.WRAPPER, Kind.OPAQUE})
"""Kinds of what `opaque` may hold and is looked at."""


@cached_by_class
def kind_of(cls: type[Any]) -> Kind:
    """Returns the kind of a class in the search."""
    if cls in _OWN:
        return _OWN[cls]
    if issubclass(cls, (list, tuple, set, frozenset)):
        return Kind.SEQUENCE
    if issubclass(cls, dict):
        return Kind.DICT
    if dataclasses.is_dataclass(cls):
        return Kind.DATACLASS
    return Kind.MODEL if hasattr(cls, "__pydantic_fields__") else Kind.LEAF


def parts_of(value: Any, kind: Kind) -> Iterable[Any]:
    """The contents of an object, leaves left out; none where the object refuses to be read."""
    # Containers of users may raise anything.
    with suppress(Exception):
        if kind is Kind.DICT:
            return [*_others(value.keys()), *_others(value.values())]
        if kind is Kind.SEQUENCE:
            return _others(value)
        if kind is Kind.WRAPPER:
            return _others((value.value,))
        if kind is Kind.OPAQUE:
            return (value.value,) if kind_of(class_of(value.value)) in _RESOLVED else ()
        return _others(fields_of(value, kind).values())
    return ()


def fields_of(value: Any, kind: Kind) -> dict[str, Any]:
    """The fields of a dataclass or model by name; those that are not set are left out."""
    if kind is Kind.MODEL:
        fields: dict[str, Any] = getattr(value, "__dict__", {})
        extra: dict[str, Any] | None = getattr(value, "__pydantic_extra__", None)
        return {**fields, **extra} if extra else fields
    found: dict[str, Any] = {}
    for name in (each.name for each in dataclasses.fields(value)):
        # A descriptor or __getattr__ of the user's may raise anything.
        with suppress(Exception):
            found[name] = getattr(value, name)
    return found


def _others(items: Iterable[Any]) -> Iterable[Any]:
    """Items that are no leaves; a million leaves are passed over at once."""
    # Other threads may change a container: lists can be read meanwhile, others are copied first.
    listed = items if type(items) in {list, tuple} else list(items)
    kinds = set(map(type, listed))
    if kinds <= _LEAVES:
        return ()
    searched = {kind for kind in kinds if kind_of(kind) is not Kind.LEAF}
    return [item for item in listed if type(item) in searched] if searched else ()
