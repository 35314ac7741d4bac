"""Values as JSON that gives them back as they were, and as hashes that are the same everywhere.

What JSON has itself is written plainly; the rest as {"$": kind, "v": ...}: tuples, sets, bytes,
dates, decimals, UUIDs, paths, enumerations, dataclasses and pydantic models. Nothing is executed on
reading but the constructors of dataclasses, enumerations and models named in the file.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import decimal
import hashlib
import importlib
import json
import math
import pathlib
import uuid
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_TAG: Final = "$"
_PLAIN: Final[frozenset[type[Any]]] = frozenset({type(None), bool, int, str})
_SEQUENCES: Final[frozenset[type[Any]]] = frozenset({list, tuple, set, frozenset})
_TEXTS: Final[dict[type, tuple[str, Callable[[Any], str], Callable[[str], Any]]]] = {
    dt.datetime: ("datetime", lambda v: v.isoformat(), dt.datetime.fromisoformat),
    dt.date: ("date", lambda v: v.isoformat(), dt.date.fromisoformat),
    dt.time: ("time", lambda v: v.isoformat(), dt.time.fromisoformat),
    decimal.Decimal: ("decimal", str, decimal.Decimal),
    uuid.UUID: ("uuid", str, uuid.UUID),
    pathlib.PosixPath: ("path", str, pathlib.Path),
    pathlib.WindowsPath: ("path", str, pathlib.Path),
    pathlib.PurePosixPath: ("pure-path", str, pathlib.PurePosixPath),
    bytes: ("bytes", lambda v: base64.b64encode(v).decode(), base64.b64decode),
}
_FROM_TEXT: Final = {kind: read for kind, _, read in _TEXTS.values()}


class NotEncodableError(TypeError):
    """A value, or one inside it, has no encoding; the text says where and what it is."""


def dumps(value: Any) -> bytes:
    """A value as JSON that `loads` gives back.

    Raises:
        NotEncodableError: It, or something inside it, can't be given back.
    """
    return json.dumps(_Encoder(hashing=False).encode(value), allow_nan=False).encode()


def loads(data: bytes) -> Any:
    """The value that `dumps` wrote.

    Raises:
        Exception: The data is damaged, or a class it names is gone.
    """
    return _decode(json.loads(data))


def stable_hash(value: Any) -> str:
    """SHA-256 of a value: equal for equal values, in every process and on every machine.

    Raises:
        NotEncodableError: It, or something inside it, has no such hash.
    """
    encoded = _Encoder(hashing=True).encode(value)
    return hashlib.sha256(_canonical(encoded).encode()).hexdigest()


class _Encoder:
    def __init__(self, *, hashing: bool) -> None:
        self._hashing = hashing

    def encode(self, value: Any, where: str = "") -> Any:
        try:
            return self._encoded(value, where)
        except RecursionError:
            raise NotEncodableError(f"{where or 'the value'} contains itself") from None

    def _encoded(self, value: Any, where: str) -> Any:
        kind: type[Any] = value.__class__
        if kind in _PLAIN:
            return value
        if kind in _TEXTS:
            name, write, _ = _TEXTS[kind]
            return {_TAG: name, "v": write(value)}
        if isinstance(value, Enum):
            return {_TAG: "enum", "type": self._named(kind, where), "v": value.name}
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else {_TAG: "float", "v": repr(value)}
        if isinstance(value, dt.timedelta):
            return {_TAG: "timedelta", "v": [value.days, value.seconds, value.microseconds]}
        if kind in _SEQUENCES:
            return self._sequence(value, kind, where)
        if kind is dict:
            return self._mapping(value, where)
        return self._object(value, kind, where)

    def _sequence(self, value: Any, kind: type[Any], where: str) -> Any:
        items = [self._encoded(item, f"{where}[{i}]") for i, item in enumerate(value)]
        if kind is list:
            return items
        if kind is not tuple:
            items.sort(key=_canonical)
        return {_TAG: kind.__name__, "v": items}

    def _mapping(self, value: dict[Any, Any], where: str) -> Any:
        if all(type(key) is str for key in value) and _TAG not in value:
            return {key: self._encoded(item, f"{where}[{key!r}]") for key, item in value.items()}
        pairs = [
            [self._encoded(key, where), self._encoded(item, f"{where}[{key!r}]")]
            for key, item in value.items()
        ]
        if self._hashing:
            pairs.sort(key=_canonical)
        return {_TAG: "dict", "v": pairs}

    def _object(self, value: Any, kind: type[Any], where: str) -> Any:
        fields: Mapping[str, Any] | None = None
        name = "dataclass"
        if dataclasses.is_dataclass(kind):
            fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(kind) if f.init}
        elif hasattr(kind, "__pydantic_fields__"):
            fields = dict(value)
            name = "model"
        if fields is not None:
            inner = {n: self._encoded(item, f"{where}.{n}") for n, item in fields.items()}
            return {_TAG: name, "type": self._named(kind, where), "v": inner}
        if self._hashing:
            return self._hashed(value, kind, where)
        raise NotEncodableError(f"{where or 'it'} is a {_name_of(kind)}")

    def _hashed(self, value: Any, kind: type[Any], where: str) -> Any:
        if issubclass(kind, type) or kind.__name__ in {"function", "builtin_function_or_method"}:
            return {_TAG: "code", "v": f"{value.__module__}:{value.__qualname__}"}
        if kind.__module__ == "numpy" and kind.__name__ == "ndarray" and not value.dtype.hasobject:
            digest = hashlib.sha256(value.tobytes()).hexdigest()
            return {_TAG: "ndarray", "v": [str(value.dtype), list(value.shape), digest]}
        raise NotEncodableError(f"{where or 'it'} is a {_name_of(kind)}")

    def _named(self, kind: type[Any], where: str) -> str:
        if not self._hashing and "<locals>" in kind.__qualname__:
            raise NotEncodableError(
                f"{where or 'it'} is a {_name_of(kind)}, a class within a function"
            )
        return f"{kind.__module__}:{kind.__qualname__}"


def _canonical(encoded: Any) -> str:
    return json.dumps(encoded, sort_keys=True, separators=(",", ":"))


def _name_of(kind: type[Any]) -> str:
    return (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )


def _decode(value: Any) -> Any:
    shape: type[Any] = value.__class__
    if shape is list:
        return [_decode(item) for item in value]
    if shape is not dict:
        return value
    kind: Any = value.get(_TAG)
    if kind is None:
        return {key: _decode(item) for key, item in value.items()}
    content: Any = value["v"]
    if kind in _FROM_TEXT:
        return _FROM_TEXT[kind](content)
    if kind in {"dataclass", "model", "enum"}:
        return _decode_named(kind, value["type"], content)
    return _BUILDERS[kind](content)


_BUILDERS: Final[dict[str, Callable[[Any], Any]]] = {
    "float": float,
    "timedelta": lambda v: dt.timedelta(*v),
    "tuple": lambda v: tuple(map(_decode, v)),
    "set": lambda v: set(map(_decode, v)),
    "frozenset": lambda v: frozenset(map(_decode, v)),
    "dict": lambda v: {_decode(key): _decode(item) for key, item in v},
}


def _decode_named(kind: str, name: str, content: Any) -> Any:
    module, _, path = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    if kind == "enum":
        return found[content]
    fields = {key: _decode(item) for key, item in content.items()}
    return found.model_validate(fields) if kind == "model" else found(**fields)
