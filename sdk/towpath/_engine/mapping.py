"""The calls of a map: which arguments are mapped over, and what each call gets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from io import IOBase
from typing import TYPE_CHECKING, Any, Final

from towpath._class_cache import class_of
from towpath._runs.futures import Future
from towpath.annotations import allow_failure, freeze, opaque, quote, unmapped
from towpath.exceptions import ParameterError
from towpath.states import State, result_of

if TYPE_CHECKING:
    import inspect
    from collections.abc import Callable

_RUNS: Final[frozenset[type[Any]]] = frozenset({Future, State})
_MARKS: Final[frozenset[type[Any]]] = frozenset({allow_failure, freeze, opaque, quote})
"""Wrappers whose contents are mapped over, and that stand around each item then."""
_WHOLE: Final = (str, bytes, bytearray, memoryview, Mapping, IOBase, type)


def calls_of(
    name: str, signature: inspect.Signature, parameters: dict[str, Any]
) -> Iterable[dict[str, Any]]:
    """The arguments of each call of a map, by parameter.

    Args:
        name: Of the task, for errors.
        signature: Of the task's function; its defaults go to every call.
        parameters: Arguments of the map; futures of lists are waited for.

    Raises:
        ParameterError: Nothing can be mapped over, or lengths differ.
        BaseException: What ended a run whose result would be mapped over.
    """
    keywords = _keywords_of(signature)
    arguments = {**parameters, **parameters.get(keywords, {})}
    names = set(parameters.get(keywords, ()))
    if keywords in parameters:
        del arguments[keywords]
    streamed = _streamed(arguments)
    found = {key: _items(value) for key, value in arguments.items() if key != streamed}
    mapped = {key: items for key, items in found.items() if items is not None}
    if streamed and mapped:
        # Their lengths are compared before anything runs.
        mapped[streamed] = list(arguments[streamed])
        streamed = ""
    if not streamed:
        _check(name, {key: len(items) for key, items in mapped.items()})

    def call(items: dict[str, Any]) -> dict[str, Any]:
        one = {**arguments, **items}
        if names:
            one[keywords] = {key: one.pop(key) for key in names}
        for key, parameter in signature.parameters.items():
            if parameter.default is not parameter.empty:
                one.setdefault(key, parameter.default)
        return one

    if streamed:
        return (call({streamed: item}) for item in arguments[streamed])
    length = len(next(iter(mapped.values())))
    return (call({key: items[index] for key, items in mapped.items()}) for index in range(length))


def is_streamed(parameters: dict[str, Any]) -> bool:
    """Whether a map has an iterator to read, which may be longer than what memory holds."""
    return any(isinstance(value, Iterator) for value in parameters.values())


def _streamed(arguments: dict[str, Any]) -> str:
    """The parameter whose iterator is read as the runs of the map end; empty without one."""
    names = [key for key, value in arguments.items() if isinstance(value, Iterator)]
    mappable = len(names) == 1 and _is_mappable(arguments[names[0]])
    return names[0] if mappable else ""


def _keywords_of(signature: inspect.Signature) -> str:
    """The parameter that takes further keyword arguments; empty without one."""
    for name, parameter in signature.parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            return name
    return ""


def _check(name: str, lengths: dict[str, int]) -> None:
    if not lengths:
        raise ParameterError(
            f"{name}.map: no argument is a list to map over; to run it once, use {name}.submit"
        )
    if len(set(lengths.values())) > 1:
        raise ParameterError(
            f"{name}.map: lengths differ: {lengths}; put what goes to every call in unmapped(...)"
        )


def _items(value: Any) -> list[Any] | None:
    """The items to map over, each for one call; None for a value that goes to every call."""
    mark: Callable[[Any], Any] | None = None
    if class_of(value) in _MARKS:
        mark, value = value.rewrap, value.value
    if class_of(value) is Future:
        value = value.result()
    elif class_of(value) is State:
        value = result_of(value)
    if not _is_mappable(value):
        return None
    return list(value) if mark is None else [mark(item) for item in value]


def lists_in(parameters: dict[str, Any]) -> list[Any]:
    """The futures, and those in `allow_failure`, whose results a map is over."""
    return [value for value in parameters.values() if class_of(_unmarked(value)) in _RUNS]


def _unmarked(value: Any) -> Any:
    return value.value if class_of(value) in _MARKS else value


def _is_mappable(value: Any) -> bool:
    if getattr(value, "ndim", None) == 0:  # An array of no dimension only looks iterable.
        return False
    if isinstance(value, (*_WHOLE, unmapped, Future)) or not isinstance(value, Iterable):
        return False
    kind = class_of(value)
    # A model gives its fields, a data frame the names of its columns.
    return not (hasattr(kind, "__pydantic_fields__") or _is_frame(kind))


def _is_frame(kind: type[Any]) -> bool:
    return hasattr(kind, "columns") and hasattr(kind, "shape")
