"""Finds types and values that contain sensitive ones, so that messages can leave them out."""

from __future__ import annotations

import dataclasses
import inspect
import sys
import typing
from contextlib import suppress
from functools import lru_cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast, get_args

from towpath._callables import annotations_of, plain_function
from towpath._class_cache import cached_by_class, class_of
from towpath._redaction.marking import is_marked, sensitive_parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_HINTS: Final = ("Sensitive", "Secret")
_MOST_TYPES: Final = 5_000
_MOST_OBJECTS: Final = 10_000


@lru_cache(maxsize=1024)
def guarded_parameters(function: Callable[..., Any]) -> Mapping[str, frozenset[str]]:
    """Finds the parameters whose types contain a sensitive one at any depth.

    Returns:
        For each parameter, the names within its types: of fields, aliases and classes.
    """
    plain = plain_function(function)
    names = getattr(plain, "__globals__", {})
    direct = sensitive_parameters(function)
    found: dict[str, frozenset[str]] = {}
    for name, annotation in _annotations_of(plain).items():
        types = _types_in(_looked_up(annotation, names))
        if name != "return" and (name in direct or any(map(_is_sensitive, types))):
            found[name] = frozenset(label for each in types for label in _labels(each))
    return found


def shows_sensitive(value: Any) -> bool:
    """Whether a value is, or contains, an object of a class with sensitive parts.

    A value with too many objects to inspect counts as one.
    """
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if len(seen) > _MOST_OBJECTS or _is_sensitive_class(class_of(each)):
            return True
        waiting += _parts_of_value(each)
    return False


@cached_by_class
def _is_sensitive_class(kind: type[Any]) -> bool:
    return any(map(_is_sensitive, _types_in(kind)))


def _is_sensitive(annotation: Any) -> bool:
    text = getattr(annotation, "__forward_arg__", annotation)
    if isinstance(text, str):
        return any(hint in text for hint in _HINTS)
    return is_marked(annotation) or annotation is _TOO_MANY


_TOO_MANY: Final = object()
"""Replaces the parts of a type that has too many of them."""


def _types_in(annotation: Any) -> list[Any]:
    """Returns a type and all its parts: arguments, fields of classes, and their types."""
    found: dict[int, Any] = {}
    waiting = [annotation]
    while waiting:
        each = waiting.pop()
        if id(each) in found:
            continue
        if len(found) == _MOST_TYPES:
            return [*found.values(), _TOO_MANY]
        found[id(each)] = each
        # Types of other packages may raise any exception.
        with suppress(Exception):
            waiting += _parts_of_type(each)
    return list(found.values())


def _parts_of_type(annotation: Any) -> Iterator[Any]:
    if isinstance(annotation, list | tuple):
        yield from cast("Iterable[Any]", annotation)
    elif isinstance(annotation, type) and not get_args(annotation):
        yield from _types_of_fields(annotation)
    else:
        yield from getattr(annotation, "__metadata__", ())
        yield from get_args(annotation)
        yield getattr(annotation, "__origin__", None)
        for name in ("__value__", "__supertype__", "__bound__", "__constraints__"):
            part = getattr(annotation, name, None)
            if part is not None:
                yield _looked_up(part, vars(sys.modules[annotation.__module__]))


def _types_of_fields(kind: type[Any]) -> Iterator[Any]:
    fields: Mapping[str, Any] = getattr(kind, "__pydantic_fields__", {})
    for field in fields.values():
        yield field.annotation
        yield from field.metadata
    for base in kind.__mro__:
        own = _annotations_of(base)
        module = inspect.getmodule(base) if own else None  # None for one that was executed
        names = {**(vars(module) if module else {}), **vars(base)}
        for annotation in own.values():
            yield _looked_up(annotation, names)


def _labels(annotation: Any) -> Iterator[str]:
    """Yields a class's name and the names of its parts."""
    if not isinstance(annotation, type):
        return
    yield annotation.__name__
    for base in annotation.__mro__:
        yield from _annotations_of(base)
    fields: Mapping[str, Any] = getattr(annotation, "__pydantic_fields__", {})
    for field in fields.values():
        aliases = field.validation_alias
        for alias in (field.alias, aliases, *getattr(aliases, "choices", ())):
            yield from (each for each in getattr(alias, "path", [alias]) if isinstance(each, str))


def _annotations_of(thing: Any) -> dict[str, Any]:
    with suppress(Exception):
        return annotations_of(thing)
    return {}


def _looked_up(annotation: Any, names: Mapping[str, Any]) -> Any:
    """Returns the type that an annotation means, or the words in it if it can't be evaluated."""
    text = getattr(annotation, "__forward_arg__", annotation)
    try:
        alone = SimpleNamespace(__annotations__={"it": text})
        return typing.get_type_hints(alone, globalns=dict(names), include_extras=True)["it"]
    except Exception:  # noqa: BLE001 - annotations may say anything
        if not isinstance(text, str):
            return annotation
        words = "".join(each if each.isidentifier() else " " for each in text).split()
        return [text, *(names[word] for word in words if word in names)]


def _parts_of_value(value: Any) -> list[Any]:
    kind = class_of(value)
    with suppress(Exception):
        if issubclass(kind, dict):
            return [*value.keys(), *value.values()]
        if issubclass(kind, (list, tuple, set, frozenset)):
            return list(value)
        if dataclasses.is_dataclass(kind):
            return [getattr(value, each.name, None) for each in dataclasses.fields(value)]
        if hasattr(kind, "__pydantic_fields__"):
            return list(value.__dict__.values())
    return []
