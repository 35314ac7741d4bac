"""Names of classes and functions that lead back to the same object, for results and cache keys."""

from __future__ import annotations

import importlib
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Generator

_may_import: Final[ContextVar[bool]] = ContextVar("towpath_may_import", default=True)


def certain_name(thing: Any) -> str | None:
    """The name `module:qualname` of a class or function, if it leads back to that very object.

    Lambdas, and what a function has made, have no such name: others may be called the same.
    """
    module, path = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(path, str):
        return None
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    # A task or flow has taken the place of its function.
    return f"{module}:{path}" if found is thing or getattr(found, "fn", None) is thing else None


@contextmanager
def imports_allowed(*, allowed: bool) -> Generator[None]:
    """Whether names within may lead to modules that are not imported yet.

    Args:
        allowed: False for names that others may have written: an import runs code.
    """
    token = _may_import.set(allowed)
    try:
        yield
    finally:
        _may_import.reset(token)


def object_named(name: str) -> Any:
    """The class or function of a name.

    Raises:
        Exception: Its module is gone, may not be imported, or has nothing of that name.
    """
    module, _, path = name.partition(":")
    if module not in sys.modules and not _may_import.get():
        raise ImportError(
            f"it names the module {module}, which this process has not imported, and is not signed"
        )
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found


def shown_name(kind: type[Any]) -> str:
    """A class as messages show it."""
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"
