"""Objects as their attributes: dataclasses, pydantic models, and what holds nothing unseen."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from typing import TYPE_CHECKING, Any, Final

from towpath._class_cache import cached_by_class, class_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_HEAP_TYPE: Final = 1 << 9
"""Flag of CPython for classes that are made while it runs: all those of `class` statements."""
_POINTER: Final = tuple.__itemsize__
"""Size of a slot, bytes."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ObjectState:
    """The attributes of an object by name."""

    attributes: Mapping[str, Any]
    """Those of its `__dict__`, without values of `functools.cached_property`."""
    slots: Mapping[str, Any]
    """Those in slots; what is not set is left out."""


def is_record(kind: type[Any]) -> bool:
    """Whether a class is a dataclass or pydantic model that keeps its values in attributes."""
    declared = dataclasses.is_dataclass(kind) or hasattr(kind, "__pydantic_fields__")
    return declared and is_transparent(kind)


@cached_by_class
def is_transparent(kind: type[Any]) -> bool:
    """Whether all that objects of a class hold stands in their attributes."""
    base = kind
    while base.__flags__ & _HEAP_TYPE and base.__base__ is not None:
        base = base.__base__
    # Classes written in C may be made while Python runs, too: their objects have more room.
    own = (kind.__dictoffset__ > 0) + (kind.__weakrefoffset__ > 0)
    known = object.__basicsize__ + _POINTER * (own + sum(map(len, map(_declared, kind.__mro__))))
    return base is object is not kind and kind.__basicsize__ == known and not kind.__itemsize__


def state_of(value: Any) -> ObjectState:
    """The attributes of an object of a transparent class."""
    kind = class_of(value)
    derived = _cached_properties(kind)
    held: dict[str, Any] = getattr(value, "__dict__", {})
    slots: dict[str, Any] = {}
    for name, slot in _slots(kind).items():
        try:
            slots[name] = slot.__get__(value)
        except AttributeError:
            continue
    return ObjectState(
        attributes={name: item for name, item in held.items() if name not in derived}, slots=slots
    )


def with_state(kind: type[Any], state: ObjectState) -> Any:
    """An object of a class with these attributes; none of the class's own code is called."""
    made: Any = object.__new__(kind)
    if state.attributes:
        made.__dict__.update(state.attributes)
    known = _slots(kind)
    for name, item in state.slots.items():
        known[name].__set__(made, item)
    return made


@cached_by_class
def fields_digest(kind: type[Any]) -> str:
    """A short hash of the fields that a dataclass or model declares, with their types."""
    if dataclasses.is_dataclass(kind):
        declared = [f"{each.name}: {each.type}" for each in dataclasses.fields(kind)]
    else:
        fields: dict[str, Any] = vars(kind)["__pydantic_fields__"]
        declared = [f"{name}: {each.annotation}" for name, each in fields.items()]
    return hashlib.sha256("\n".join(declared).encode("utf-8", "replace")).hexdigest()[:16]


@cached_by_class
def _slots(kind: type[Any]) -> dict[str, Any]:
    """The descriptors of a class's slots by the name that the class knows them by."""
    found: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        for name in _declared(base):
            private = name.startswith("__") and not name.endswith("__")
            own = f"_{base.__name__.lstrip('_')}{name}" if private else name
            slot = vars(base).get(own)
            if hasattr(slot, "__set__"):
                found[own] = slot
    return found


def _declared(kind: type[Any]) -> list[str]:
    """The slots that a class declares itself, which hold attributes."""
    declared: Any = vars(kind).get("__slots__", ())
    names = [declared] if isinstance(declared, str) else declared
    return [name for name in names if name not in {"__dict__", "__weakref__"}]


@cached_by_class
def _cached_properties(kind: type[Any]) -> frozenset[str]:
    return frozenset(
        name
        for base in kind.__mro__
        for name, item in vars(base).items()
        if isinstance(item, functools.cached_property)
    )
