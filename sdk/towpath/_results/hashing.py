"""Hashes of arguments for cache keys: the same in every process and on every machine."""

from __future__ import annotations

import hashlib
import sys
from enum import Enum
from operator import itemgetter
from types import BuiltinFunctionType, FunctionType
from typing import TYPE_CHECKING, Any, Final

from towpath._class_cache import class_of
from towpath._results.encoding import (
    canonical,
    class_name,
    enum_form,
)
from towpath._results.naming import certain_name, shown_name
from towpath._results.object_state import is_record, is_transparent, state_of
from towpath._results.scalars import NotEncodableError, writer_of

if TYPE_CHECKING:
    from collections.abc import Iterable

_SEQUENCES: Final[frozenset[type[Any]]] = frozenset({list, tuple, set, frozenset})
_SMALL: Final = 40
"""Most parts of a container, inner ones included, that is not hashed by itself."""


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
        form = _Hasher().form_of(value, any_class=any_class)
    except RecursionError:
        raise NotEncodableError("is nested too deeply") from None
    return _digest(form)


class _Hasher:
    """Gives each container a hash of its parts' forms, once, however often it occurs."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, Any]] = {}
        """By the id of a container: itself, and its form; None while its parts are hashed."""

    def form_of(self, value: Any, *, any_class: bool = False) -> Any:
        kind = class_of(value)
        write = writer_of(kind)
        if write is not None:
            return write(value)
        if isinstance(value, Enum):
            return enum_form(value, _with_file(class_name(kind)))
        known = self._known.get(id(value))
        if known is None:
            self._known[id(value)] = (value, None)
            parts = self._parts(value, kind, any_class)
            form: Any = parts if _is_small(parts) else {"#": _digest(parts)}
            known = self._known[id(value)] = (value, form)
        if known[1] is None:
            raise NotEncodableError("contains itself")
        return known[1]

    def _parts(self, value: Any, kind: type[Any], any_class: bool) -> list[Any]:
        if kind in _SEQUENCES:
            items = self._items(value)
            if kind not in {list, tuple}:
                items.sort(key=canonical)
            return [kind.__name__, *items]
        if kind is dict:
            items = self._forms(value.items(), "[{!r}]")
            if all(type(key) is str for key in value):
                return ["dict", *sorted(items, key=itemgetter(0))]
            pairs = [[self.form_of(key), form] for key, form in items]
            return ["pairs", *sorted(pairs, key=canonical)]
        if is_record(kind) or (any_class and is_transparent(kind)):
            state = state_of(value)
            parts = [
                sorted(self._forms(held.items(), ".{}"), key=itemgetter(0))
                for held in (state.attributes, state.slots)
            ]
            return ["object", _with_file(class_name(kind)), *parts]
        if isinstance(value, type):
            return ["class", _with_file(class_name(value))]
        if isinstance(value, FunctionType | BuiltinFunctionType):
            return ["function", _function_name(value)]
        if kind.__module__ == "numpy" and kind.__name__ == "ndarray" and not value.dtype.hasobject:
            digest = hashlib.sha256(value.tobytes()).hexdigest()
            return ["ndarray", str(value.dtype), list(value.shape), digest]
        raise NotEncodableError(f"is a {shown_name(kind)}")

    def _items(self, value: Iterable[Any]) -> list[Any]:
        items: list[Any] = []
        for item in value:
            try:
                items.append(self.form_of(item))
            except NotEncodableError as error:
                raise error.inside(f"[{len(items)}]") from None
        return items

    def _forms(self, items: Iterable[tuple[Any, Any]], place: str) -> list[list[Any]]:
        forms: list[list[Any]] = []
        for key, item in items:
            try:
                forms.append([key, self.form_of(item)])
            except NotEncodableError as error:
                raise error.inside(place.format(key)) from None
        return forms


def _function_name(function: Any) -> str:
    name = certain_name(function)
    if name is None:
        raise NotEncodableError(
            f"is a {shown_name(class_of(function))} that its name {function.__qualname__!r} doesn't"
            " lead back to, such as a lambda or a function within a function"
        )
    return _with_file(name)


def _with_file(name: str) -> str:
    """A name that tells scripts apart: they all call their module __main__."""
    module, _, path = name.partition(":")
    file = getattr(sys.modules[module], "__file__", None) if module == "__main__" else None
    return f"{file}:{path}" if file else name


def _is_small(form: list[Any]) -> bool:
    """Whether a form is short enough to stand as it is wherever its value occurs."""
    count, waiting = 0, [form]
    while waiting:
        parts = waiting.pop()
        count += len(parts)
        if count > _SMALL:
            return False
        waiting += [part for part in parts if type(part) is list]
    return True


def _digest(form: Any) -> str:
    return hashlib.sha256(canonical(form)).hexdigest()
