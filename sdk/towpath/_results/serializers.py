"""Serializers as objects: how results become bytes, and bytes results."""

from __future__ import annotations

import pickle
import zlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Final, dataclass_transform

from towpath._results import encoding
from towpath.exceptions import DefinitionError

_OURS: Final = {"pickle": pickle, "zlib": zlib}
"""Libraries whose bytes need no name: they are Towpath's own choice."""


@dataclass_transform(kw_only_default=True)
class Serializer(ABC):
    """Turns results into bytes and back; subclass it for a form of your own.

    Annotated attributes of a subclass become arguments of its constructor, by name.

    Attributes:
        type: Name of the form. It is kept with each result, and only a serializer of that name
            reads the result: give it another name when its bytes change.
    """

    type: str = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        dataclass(kw_only=True)(cls)

    @abstractmethod
    def dumps(self, obj: Any) -> bytes:
        """Returns an object as bytes."""

    @abstractmethod
    def loads(self, blob: bytes) -> Any:
        """Returns the object of bytes."""


class JSONSerializer(Serializer):
    """JSON that restores what was written: tuples, sets, bytes, dates, dataclasses, models."""

    type: str = "json"

    def dumps(self, obj: Any) -> bytes:
        """Returns an object as JSON.

        Raises:
            ValueError: A part of it has no form in JSON.
        """
        return encoding.dumps(obj)

    def loads(self, blob: bytes) -> Any:
        """Returns the object of JSON."""
        return encoding.loads(blob)


class PickleSerializer(Serializer):
    """Pickles, which are read from trusted places only: reading one can run any code.

    Attributes:
        picklelib: The module that writes and reads them, with `dumps` and `loads`.
    """

    type: str = "pickle"
    picklelib: str = "pickle"

    def __post_init__(self) -> None:
        _library(self.picklelib, "picklelib", "dumps", "loads")

    def dumps(self, obj: Any) -> bytes:
        """Returns an object as a pickle."""
        return bytes(_library(self.picklelib, "picklelib").dumps(obj))

    def loads(self, blob: bytes) -> Any:
        """Returns the object of a pickle, which must be trusted."""
        return _library(self.picklelib, "picklelib").loads(blob)


class CompressedSerializer(Serializer):
    """Another serializer's bytes, compressed.

    Attributes:
        serializer: The other serializer, or "json" or "pickle".
        compressionlib: The module that compresses, with `compress` and `decompress`, such as
            "zlib", "bz2" or "lzma".
    """

    type: str = "compressed"
    serializer: Serializer | str
    compressionlib: str = "zlib"

    def __post_init__(self) -> None:
        if isinstance(self.serializer, str):
            if self.serializer not in _NAMED:
                raise DefinitionError(
                    f"serializer is {' or '.join(map(repr, _NAMED))} or an object of"
                    f" towpath.serializers, not {self.serializer!r}"
                )
            self.serializer = _NAMED[self.serializer]()
        given: Any = self.serializer
        if not isinstance(given, Serializer):
            raise DefinitionError(f"serializer is an object of towpath.serializers, not {given!r}")
        _library(self.compressionlib, "compressionlib", "compress", "decompress")

    def dumps(self, obj: Any) -> bytes:
        """Returns an object as compressed bytes."""
        assert isinstance(self.serializer, Serializer)
        plain = self.serializer.dumps(obj)
        return bytes(_library(self.compressionlib, "compressionlib").compress(plain))

    def loads(self, blob: bytes) -> Any:
        """Returns the object of compressed bytes."""
        assert isinstance(self.serializer, Serializer)
        plain = bytes(_library(self.compressionlib, "compressionlib").decompress(blob))
        return self.serializer.loads(plain)


class CompressedJSONSerializer(CompressedSerializer):
    """JSON, compressed."""

    type: str = "compressed/json"
    serializer: Serializer | str = field(default_factory=JSONSerializer)


class CompressedPickleSerializer(CompressedSerializer):
    """Pickles, compressed; read from trusted places only."""

    type: str = "compressed/pickle"
    serializer: Serializer | str = field(default_factory=PickleSerializer)


_NAMED: Final = {"json": JSONSerializer, "pickle": PickleSerializer}
_COMPRESSED: Final[set[Any]] = {
    CompressedSerializer,
    CompressedJSONSerializer,
    CompressedPickleSerializer,
}


def name_of(serializer: Serializer) -> str:
    """The name that is kept with what a serializer writes.

    "json", "pickle" and these after "compressed/" are the forms that every reader knows.
    """
    kind = serializer.__class__
    if kind is JSONSerializer:
        return "json"
    if kind is PickleSerializer:
        return "pickle" + _suffix(getattr(serializer, "picklelib", ""))
    if kind in _COMPRESSED:
        assert isinstance(serializer, CompressedSerializer)
        assert isinstance(serializer.serializer, Serializer)
        inner = name_of(serializer.serializer)
        return f"compressed{_suffix(serializer.compressionlib)}/{inner}"
    return f"own:{serializer.type or f'{kind.__module__}.{kind.__qualname__}'}"


def _suffix(library: str) -> str:
    return "" if library in _OURS else f":{library}"


def _library(name: Any, option: str, *functions: str) -> Any:
    """A library by its module's name.

    Raises:
        DefinitionError: It isn't installed, or lacks a function.
    """
    if name in _OURS and not functions:
        return _OURS[name]
    try:
        module = import_module(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise DefinitionError(
            f"{option} is the name of an installed module, not {name!r}: {error}"
        ) from error
    missing = [each for each in functions if not callable(getattr(module, each, None))]
    if missing:
        raise DefinitionError(f"the {option} {name!r} has no function {missing[0]!r}")
    return module
