"""Errors for names that Prefect has and Towpath hasn't: they say what to do instead.

A program whose import line was changed hits them when it is loaded. Nothing is read before that.
"""

from __future__ import annotations

import opcode
import sys
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType

_OURS: Final = "towpath"
_IMPORT_FROM: Final = opcode.opmap.get("IMPORT_FROM", -1)


def refusing(module: str) -> Callable[[str], NoReturn]:
    """Returns a function to be the `__getattr__` of a module.

    Args:
        module: The module's whole name.
    """

    def __getattr__(name: str) -> NoReturn:  # noqa: N807 - what tracebacks show
        refuse(module, name, sys._getframe(1))  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - documented

    return __getattr__


def refuse(module: str, name: str, asks: FrameType, there: Iterable[str] = ()) -> NoReturn:
    """Raises the error for a name that a module hasn't.

    Args:
        module: The module's whole name.
        name: The name.
        asks: The frame that asks for it.
        there: The names that there are, if the error is to list them.

    Raises:
        ImportError: It is imported by `from MODULE import NAME`, which hides the text of an
            AttributeError, and there is advice for it.
        AttributeError: Otherwise.
    """
    text = f"module {module!r} has no attribute {name!r}"
    # Tools ask for special and private names all the time.
    advice = "" if name.startswith("_") else _advice(module, name)
    if not advice:
        names = ", ".join(there)
        raise AttributeError(f"{text}; there are {names}" if names else text, name=name)
    if _imports(asks):
        raise ImportError(f"cannot import name {name!r} from {module!r}: {advice}", name=module)
    raise AttributeError(f"{text}: {advice}", name=name)


class AbsentMethod:
    """A method that Prefect has and Towpath hasn't: asking for it raises an AttributeError."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._owner, self._name = owner.__name__, name

    def __get__(self, instance: object, owner: type | None = None) -> NoReturn:
        from towpath._prefect_names.table import prefect_names  # noqa: PLC0415 - parses a table

        advice = prefect_names().method(self._owner, self._name)
        raise AttributeError(
            f"{self._owner!r} object has no attribute {self._name!r}: {advice}", name=self._name
        )


class AbsentModules:
    """Finds no module: it refuses to import those that Prefect has and Towpath hasn't."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        """Takes part in the search for a module, after all others.

        Raises:
            ModuleNotFoundError: There is advice for the module.
        """
        if not name.startswith(f"{_OURS}."):
            return
        advice = _module_advice(name)
        if advice:
            raise ModuleNotFoundError(f"No module named {name!r}: {advice}", name=name)


def install() -> None:
    """Makes imports of absent modules say what to do instead."""
    if AbsentModules not in sys.meta_path:
        finder: Any = AbsentModules
        sys.meta_path.append(finder)


def _advice(module: str, name: str) -> str:
    """What to do instead of a name; empty if that isn't known."""
    from towpath._prefect_names.table import prefect_names  # noqa: PLC0415 - parses a table

    for theirs in prefect_names().modules_for(module):
        found = theirs.names.get(name)
        if found is not None and found.kind == "missing":
            return found.note
        if found is not None and found.target != f"{module}.{name}":
            return f"it is {found.target}"
    return _module_advice(f"{module}.{name}")


def _module_advice(name: str) -> str:
    from towpath._prefect_names.table import prefect_names  # noqa: PLC0415 - parses a table

    theirs = prefect_names().module(f"prefect.{name.partition('.')[2]}")
    if theirs is None or theirs.to == name:
        return ""
    if theirs.to:
        return f"what it has is in {theirs.to}"
    return theirs.instead


def _imports(frame: FrameType) -> bool:
    """Whether a frame is at `from ... import ...`."""
    at = frame.f_lasti
    return at >= 0 and frame.f_code.co_code[at] == _IMPORT_FROM
