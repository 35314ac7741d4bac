"""The class of a value, and a cache of functions of classes, for the whole SDK."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
class_of: Final[Callable[[Any], type[Any]]] = type
"""Returns the class of a value, which its `__class__` may hide; it is `type`, typed."""
_MOST_CLASSES: Final = 4096


def cached_by_class(function: Callable[[type[Any]], T]) -> Callable[[type[Any]], T]:
    """Caches a function of a class, whose result must always be the same for a class."""
    cached: Any = lru_cache(maxsize=_MOST_CLASSES)(function)
    return cached  # type: ignore[no-any-return] # typeshed doesn't take classes for hashable
