"""Values as JSON that gives them back as they were.

What JSON has itself is written plainly; the rest as {"$": kind, "v": ...}: tuples, sets, bytes,
dates, decimals, UUIDs, paths, enumerations, dataclasses and pydantic models. Reading imports the
modules of the classes that are named in the file, and calls no constructor of theirs.
"""

from __future__ import annotations

import json
from enum import Enum, Flag
from typing import TYPE_CHECKING, Any, Final

from towpath._class_cache import class_of
from towpath._results.naming import certain_name, object_named, shown_name
from towpath._results.object_state import (
    ObjectState,
    fields_digest,
    is_record,
    state_of,
    with_state,
)
from towpath._results.scalars import TAG, NotEncodableError, reader_of, writer_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_SEQUENCES: Final[frozenset[type[Any]]] = frozenset({list, tuple, set, frozenset})
_CANONICAL: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, check_circular=False
)
_MOST_CONTAINERS: Final = 5_000_000
"""That are written, each wherever it stands: few shared lists can stand for endless ones."""


def dumps(value: Any) -> bytes:
    """Encode a value as JSON that `loads` gives back.

    Raises:
        NotEncodableError: It, or something inside it, can't be given back.
    """
    try:
        return json.dumps(_Encoder().encoded(value), allow_nan=False).encode()
    except RecursionError:
        raise NotEncodableError("contains itself, or is nested too deeply") from None


def loads(data: bytes) -> Any:
    """Read the value that `dumps` wrote.

    Raises:
        Exception: The data is damaged, or a class it names is gone or has other fields now.
    """
    return _decode(json.loads(data))


def canonical(encoded: Any) -> bytes:
    """JSON as bytes that are equal for equal JSON, whatever the order of names."""
    return _CANONICAL.encode(encoded).encode("utf-8", "surrogatepass")


def enum_form(member: Enum, name: str) -> dict[str, Any]:
    """A member of an enumeration, by name; a combination of flags by number.

    Args:
        member: The member.
        name: The name of its class.

    Raises:
        NotEncodableError: The class doesn't give the member back.
    """
    kind = class_of(member)
    if kind.__members__.get(member.name) is member:
        return {TAG: "enum", "type": name, "v": member.name}
    if isinstance(member, Flag) and type(member.value) is int and kind(member.value) is member:
        return {TAG: "flag", "type": name, "v": member.value}
    raise NotEncodableError(f"is no member of {shown_name(kind)}")


def class_name(kind: type[Any]) -> str:
    """The name of a class that leads back to it.

    Raises:
        NotEncodableError: There is none.
    """
    name = certain_name(kind)
    if name is not None:
        return name
    reason = (
        "a class within a function"
        if "<locals>" in kind.__qualname__
        else "and its module has another class of that name, or none"
    )
    raise NotEncodableError(f"is a {shown_name(kind)}, {reason}")


class _Encoder:
    def __init__(self) -> None:
        self._containers = 0

    def encoded(self, value: Any) -> Any:
        kind = class_of(value)
        write = writer_of(kind)
        if write is not None:
            return write(value)
        if isinstance(value, Enum):
            return enum_form(value, class_name(kind))
        self._containers += 1
        if self._containers > _MOST_CONTAINERS:
            raise NotEncodableError(
                f"has more than {_MOST_CONTAINERS:,} lists, dicts and objects in it"
            )
        if kind in _SEQUENCES:
            return self._sequence(value, kind)
        if kind is dict:
            return self._mapping(value)
        if is_record(kind):
            return self._record(value, kind)
        raise NotEncodableError(f"is a {shown_name(kind)}")

    def _sequence(self, value: Any, kind: type[Any]) -> Any:
        items: list[Any] = []
        for item in value:
            try:
                items.append(self.encoded(item))
            except NotEncodableError as error:
                raise error.inside(f"[{len(items)}]") from None
        if kind is list:
            return items
        if kind is not tuple:
            items.sort(key=canonical)
        return {TAG: kind.__name__, "v": items}

    def _mapping(self, value: Mapping[Any, Any]) -> Any:
        if TAG not in value and all(type(key) is str and self.encoded(key) is key for key in value):
            return self._named(value, "[{!r}]")
        pairs = [
            [self.encoded(key), encoded]
            for key, encoded in zip(value, self._named(value, "[{!r}]").values(), strict=True)
        ]
        return {TAG: "dict", "v": pairs}

    def _named(self, value: Mapping[Any, Any], place: str) -> dict[Any, Any]:
        items: dict[Any, Any] = {}
        for key, item in value.items():
            try:
                items[key] = self.encoded(item)
            except NotEncodableError as error:
                raise error.inside(place.format(key)) from None
        return items

    def _record(self, value: Any, kind: type[Any]) -> Any:
        name = class_name(kind)
        state = state_of(value)
        parts = [self._named(held, ".{}") for held in (state.attributes, state.slots)]
        return {TAG: "record", "type": name, "fields": fields_digest(kind), "v": parts}


def _decode(value: Any) -> Any:
    shape = class_of(value)
    if shape is list:
        return [_decode(item) for item in value]
    if shape is not dict:
        return value
    tag: Any = value.get(TAG)
    if tag is None:
        return {key: _decode(item) for key, item in value.items()}
    content: Any = value["v"]
    read = reader_of(tag)
    if read is not None:
        return read(content)
    if tag == "record":
        return _decode_record(value)
    if tag in {"enum", "flag"}:
        kind = object_named(value["type"])
        return kind[content] if tag == "enum" else kind(content)
    return _BUILDERS[tag](content)


_BUILDERS: Final[dict[str, Callable[[Any], Any]]] = {
    "tuple": lambda v: tuple(map(_decode, v)),
    "set": lambda v: set(map(_decode, v)),
    "frozenset": lambda v: frozenset(map(_decode, v)),
    "dict": lambda v: {_decode(key): _decode(item) for key, item in v},
}


def _decode_record(form: dict[str, Any]) -> Any:
    kind = object_named(form["type"])
    if not is_record(kind) or fields_digest(kind) != form["fields"]:
        raise ValueError(f"{shown_name(kind)} has other fields now")
    attributes, slots = ({key: _decode(item) for key, item in held.items()} for held in form["v"])
    return with_state(kind, ObjectState(attributes=attributes, slots=slots))
