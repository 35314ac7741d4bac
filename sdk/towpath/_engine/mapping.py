"""The calls of a map: which arguments are mapped over, and what each call gets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from towpath.annotations import allow_failure, quote, unmapped
from towpath.exceptions import ParameterError


def calls_of(name: str, parameters: dict[str, Any]) -> Iterable[dict[str, Any]]:
    """The arguments of each call of a map, by parameter.

    Args:
        name: Of the task, for errors.
        parameters: Arguments of the map.

    Raises:
        ParameterError: Nothing can be mapped over, or lengths differ.
    """
    mapped = {key: list(value) for key, value in parameters.items() if _mappable(value)}
    lengths = {key: len(items) for key, items in mapped.items()}
    if not lengths:
        raise ParameterError(
            f"{name}.map: no argument is a list to map over; to run it once, use {name}.submit"
        )
    if len(set(lengths.values())) > 1:
        raise ParameterError(
            f"{name}.map: lengths differ: {lengths}; put what goes to every call in unmapped(...)"
        )
    count = next(iter(lengths.values()))
    return (
        {**parameters, **{key: items[index] for key, items in mapped.items()}}
        for index in range(count)
    )


def _mappable(value: Any) -> bool:
    whole = (str, bytes, dict, unmapped, quote, allow_failure)
    return isinstance(value, Iterable) and not isinstance(value, whole)
