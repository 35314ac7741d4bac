"""Classes of values, and answers about classes that are worked out once, for all of the SDK."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
class_of: Final[Callable[[Any], type[Any]]] = type
"""The class of a value, which its `__class__` may hide; `type` under a name with a type."""
_MOST_CLASSES: Final = 4096


def cached_by_class(function: Callable[[type[Any]], T]) -> Callable[[type[Any]], T]:
    """Decorates a function of a class, whose answer must always be the same."""
    cached: Any = lru_cache(maxsize=_MOST_CLASSES)(function)
    return cached  # type: ignore[no-any-return] # typeshed doesn't take classes for hashable
