"""Hashes of arguments for cache keys: the same in every process and on every machine."""

from __future__ import annotations

import hashlib
import sys
from enum import Enum
from types import BuiltinFunctionType, FunctionType
from typing import Any, Final

from towpath._results.encoding import (
    NotEncodableError,
    canonical,
    enum_form,
    refused,
    unnamed,
)
from towpath._results.naming import certain_name, shown_name
from towpath._results.object_state import ObjectState, is_record, is_transparent, state_of
from towpath._results.scalars import NoFormError, is_scalar, scalar_form

_SEQUENCES: Final[frozenset[type[Any]]] = frozenset({list, tuple, set, frozenset})


def stable_hash(value: Any, *, any_class: bool = False) -> str:
    """Hash a value: equal for equal values, different for values that can be told apart.

    The order of dicts and sets doesn't count, nor whether equal parts are one object.

    Args:
        value: The value.
        any_class: Take an object of any class of Python's by its attributes, as is done with
            dataclasses; holds for the value itself, not for what it holds.

    Returns:
        A SHA-256, hexadecimal.

    Raises:
        NotEncodableError: It, or something inside it, has no hash that is certain to be right.
    """
    try:
        form = _Hasher().form_of(value, "", any_class=any_class)
    except RecursionError:
        raise NotEncodableError("the value is nested too deeply") from None
    return _digest(form)


class _Hasher:
    """Gives each container a hash of its parts' forms, once, however often it occurs."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, dict[str, str] | None]] = {}
        """By the id of a container: itself, and its form; None while its parts are hashed."""

    def form_of(self, value: Any, where: str, *, any_class: bool = False) -> Any:
        kind = type(value)
        if is_scalar(kind):
            try:
                return scalar_form(value)
            except NoFormError as error:
                raise NotEncodableError(f"{where or 'it'} {error}") from None
        if isinstance(value, Enum):
            return enum_form(value, _named(kind, kind, where), where)
        if id(value) in self._known:
            _, form = self._known[id(value)]
            if form is None:
                raise NotEncodableError(f"{where or 'the value'} contains itself")
            return form
        self._known[id(value)] = (value, None)
        form = {"#": _digest(self._parts(value, kind, where, any_class))}
        self._known[id(value)] = (value, form)
        return form

    def _parts(self, value: Any, kind: type[Any], where: str, any_class: bool) -> list[Any]:
        if kind in _SEQUENCES:
            items = [self.form_of(item, f"{where}[{i}]") for i, item in enumerate(value)]
            if kind not in {list, tuple}:
                items.sort(key=canonical)
            return [kind.__name__, items]
        if kind is dict:
            pairs = [
                [self.form_of(key, where), self.form_of(item, f"{where}[{key!r}]")]
                for key, item in value.items()
            ]
            return ["dict", sorted(pairs, key=canonical)]
        if is_record(kind) or (any_class and is_transparent(kind)):
            return self._object(state_of(value), _named(kind, kind, where), where)
        if isinstance(value, type | FunctionType | BuiltinFunctionType):
            return ["code", _named(value, kind, where)]
        if kind.__module__ == "numpy" and kind.__name__ == "ndarray" and not value.dtype.hasobject:
            digest = hashlib.sha256(value.tobytes()).hexdigest()
            return ["ndarray", str(value.dtype), list(value.shape), digest]
        raise refused(kind, where)

    def _object(self, state: ObjectState, name: str, where: str) -> list[Any]:
        parts = [
            sorted([key, self.form_of(item, f"{where}.{key}")] for key, item in held.items())
            for held in (state.attributes, state.slots)
        ]
        return ["object", name, parts]


def _named(thing: Any, kind: type[Any], where: str) -> str:
    name = certain_name(thing)
    if name is None and isinstance(thing, type):
        raise unnamed(thing, where)
    if name is None:
        raise NotEncodableError(
            f"{where or 'it'} is a {shown_name(kind)} that its name {thing.__qualname__!r} doesn't"
            " lead back to, such as a lambda or a function within a function"
        )
    module, _, path = name.partition(":")
    # Scripts all call their module __main__, so their file counts.
    file = getattr(sys.modules[module], "__file__", None) if module == "__main__" else None
    return f"{file}:{path}" if file else name


def _digest(form: Any) -> str:
    return hashlib.sha256(canonical(form)).hexdigest()
