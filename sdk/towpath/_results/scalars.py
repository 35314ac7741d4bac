"""Values without parts as JSON: numbers, texts, times, paths and the like, by their exact class."""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import importlib
import math
import pathlib
import struct
import sys
import uuid
from typing import TYPE_CHECKING, Any, Final, cast
from zoneinfo import ZoneInfo

from towpath._class_cache import cached_by_class, class_of

if TYPE_CHECKING:
    from collections.abc import Callable

TAG: Final = "$"
_MOST_BITS: Final = 2000
"""Of an integer that stands as a decimal number, which Python may limit to 640 digits."""
_UNNAMED: Final = 2
"""Length of the form of an offset without a name."""
_NAN: Final = struct.pack(">d", math.nan)


class NotEncodableError(TypeError):
    """A value, or one inside it, has no encoding; the text says where and what it is."""

    def __init__(self, reason: str, place: str = "") -> None:
        """Says what is wrong.

        Args:
            reason: What is wrong, without a subject: "is a socket".
            place: The place of it within the value, "['a'][0]"; empty for the value itself.
        """
        super().__init__(reason, place)
        self.reason = reason
        self.place = place

    def __str__(self) -> str:
        return f"{self.place or 'it'} {self.reason}"

    def inside(self, place: str) -> NotEncodableError:
        """The same error, seen from what holds the value at a place."""
        return NotEncodableError(self.reason, place + self.place)


def _int(value: int) -> Any:
    return value if value.bit_length() <= _MOST_BITS else {TAG: "int", "v": hex(value)}


def _text(value: str) -> Any:
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        # JSON would make one character of two surrogates.
        return {TAG: "text", "v": value.encode("utf-8", "surrogatepass").hex()}
    return value


def _float(value: float) -> Any:
    if math.isfinite(value):
        return value
    bits = struct.pack(">d", value)
    is_usual = not math.isnan(value) or bits == _NAN
    return {TAG: "float", "v": repr(value)} if is_usual else {TAG: "nan", "v": bits.hex()}


def _delta(value: dt.timedelta) -> list[int]:
    return [value.days, value.seconds, value.microseconds]


def _zone(zone: dt.tzinfo | None) -> Any:
    if zone is None:
        return None
    if type(zone) is dt.timezone:
        # What pickle would call it with: an offset, and perhaps a name.
        arguments: tuple[Any, ...] = cast("Any", zone).__getinitargs__()
        return ["offset", _delta(arguments[0]), *arguments[1:]]
    key: str | None = zone.key if type(zone) is ZoneInfo else None
    if key is not None:
        return ["zone", key]
    raise NotEncodableError(f"has a time zone of {type(zone).__module__}, which can't be named")


def _from_zone(form: Any) -> dt.tzinfo | None:
    if form is None:
        return None
    kind, *content = form
    if kind == "zone":
        return ZoneInfo(content[0])
    offset, *name = content
    return dt.timezone(dt.timedelta(*offset), *name)


def _time(value: Any) -> Any:
    """A datetime or time: ISO 8601 where that says everything, else in parts."""
    zone = _zone(value.tzinfo)
    is_plain = zone is None or (zone[0] == "offset" and len(zone) == _UNNAMED)
    if is_plain and not value.fold:
        return value.isoformat()
    return [value.replace(tzinfo=None, fold=0).isoformat(), value.fold, zone]


def _from_time(kind: Any) -> Callable[[Any], Any]:
    def read(form: Any) -> Any:
        if isinstance(form, str):
            return kind.fromisoformat(form)
        text, fold, zone = form
        return kind.fromisoformat(text).replace(fold=fold, tzinfo=_from_zone(zone))

    return read


def _numpy(value: Any) -> list[str]:
    if value.dtype.kind in "OV":
        raise NotEncodableError(f"is a numpy scalar of dtype {value.dtype}")
    return [value.dtype.str, base64.b64encode(value.tobytes()).decode()]


def _from_numpy(form: list[str]) -> Any:
    numpy = importlib.import_module("numpy")
    return numpy.frombuffer(base64.b64decode(form[1]), dtype=numpy.dtype(form[0]))[0]


def _same(value: Any) -> Any:
    return value


_PLAIN: Final[dict[type[Any], Callable[[Any], Any]]] = {
    type(None): _same,
    bool: _same,
    int: _int,
    str: _text,
    float: _float,
}
_TAGGED: Final[dict[type[Any], tuple[str, Callable[[Any], Any]]]] = {
    dt.datetime: ("datetime", _time),
    dt.date: ("date", lambda v: v.isoformat()),
    dt.time: ("time", _time),
    dt.timedelta: ("timedelta", _delta),
    dt.timezone: ("timezone", _zone),
    ZoneInfo: ("timezone", _zone),
    decimal.Decimal: ("decimal", str),
    uuid.UUID: ("uuid", str),
    pathlib.PosixPath: ("path", lambda v: _text(str(v))),
    pathlib.WindowsPath: ("path", lambda v: _text(str(v))),
    pathlib.PurePosixPath: ("pure-path", lambda v: _text(str(v))),
    bytes: ("bytes", lambda v: base64.b64encode(v).decode()),
}


def _unhexed(form: str) -> str:
    return bytes.fromhex(form).decode("utf-8", "surrogatepass")


def _from_text(form: Any) -> str:
    return form if isinstance(form, str) else _unhexed(form["v"])


_READERS: Final[dict[str, Callable[[Any], Any]]] = {
    "int": lambda v: int(v, 16),
    "text": _unhexed,
    "float": float,
    "nan": lambda v: struct.unpack(">d", bytes.fromhex(v))[0],
    "datetime": _from_time(dt.datetime),
    "date": dt.date.fromisoformat,
    "time": _from_time(dt.time),
    "timedelta": lambda v: dt.timedelta(*v),
    "timezone": _from_zone,
    "decimal": decimal.Decimal,
    "uuid": uuid.UUID,
    "path": lambda v: pathlib.Path(_from_text(v)),
    "pure-path": lambda v: pathlib.PurePosixPath(_from_text(v)),
    "bytes": base64.b64decode,
    "numpy": _from_numpy,
}


@cached_by_class
def writer_of(kind: type[Any]) -> Callable[[Any], Any] | None:
    """The function that writes values of exactly this class as JSON; None if they have parts.

    It gives the value itself, or {"$": tag, "v": content}, and raises NotEncodableError.
    """
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind in _TAGGED:
        tag, write = _TAGGED[kind]
    elif _is_numpy_scalar(kind):
        tag, write = "numpy", _numpy
    else:
        return None
    return lambda value: {TAG: tag, "v": write(value)}


def reader_of(tag: str) -> Callable[[Any], Any] | None:
    """The function that reads the content of a tagged value without parts."""
    return _READERS.get(tag)


def is_same_scalar(one: Any, other: Any) -> bool:
    """Whether two values of one class without parts can't be told apart."""
    kind = class_of(one)
    if kind is float:
        return struct.pack(">d", one) == struct.pack(">d", other)
    if kind in {dt.datetime, dt.time, decimal.Decimal}:
        # Equality passes over zones, folds and trailing zeros.
        return repr(one) == repr(other)
    if kind in _PLAIN or kind in _TAGGED:
        return bool(one == other) and (kind is not dt.timezone or repr(one) == repr(other))
    return bool(one.dtype == other.dtype) and one.tobytes() == other.tobytes()


def _is_numpy_scalar(kind: type[Any]) -> bool:
    numpy = sys.modules.get("numpy") if kind.__module__ == "numpy" else None
    return numpy is not None and issubclass(kind, numpy.generic)
