"""Descriptions of parameters, as docstrings in the styles of Google, NumPy and Sphinx give them."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_GOOGLE: Final = re.compile(
    r"(?:args|arguments|parameters|keyword args|keyword arguments):", re.IGNORECASE
)
_NUMPY: Final = re.compile(r"(?:parameters|other parameters)", re.IGNORECASE)
_ENTRY: Final = re.compile(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)")
_NUMPY_ENTRY: Final = re.compile(r"\*{0,2}(\w+)\s*(?::.*)?")
_SPHINX: Final = re.compile(r":param\s+(?:[^:]*\s)?\*{0,2}(\w+)\s*:\s*(.*)")


def descriptions_of(function: Callable[..., object]) -> Mapping[str, str]:
    """Returns the description of each parameter that a function's docstring describes."""
    lines = inspect.cleandoc(getattr(function, "__doc__", None) or "").splitlines()
    found: dict[str, str] = {}
    for index, line in enumerate(lines):
        following = lines[index + 1 :]
        if _GOOGLE.fullmatch(line.strip()):
            found |= _entries(_indented(following), _ENTRY)
        elif _NUMPY.fullmatch(line.strip()) and following and set(following[0].strip()) == {"-"}:
            found |= _entries(_until_blank(following[1:]), _NUMPY_ENTRY)
        elif sphinx := _SPHINX.match(line.strip()):
            more = [each.strip() for each in _indented(following)]
            found[sphinx[1]] = " ".join([sphinx[2], *more]).strip()
    return found


def _entries(lines: list[str], entry: re.Pattern[str]) -> dict[str, str]:
    """The descriptions of a section: entries, with lines indented below that continue them."""
    found: dict[str, str] = {}
    name = ""
    least = min((_indent(line) for line in lines), default=0)
    for line in lines:
        begun = entry.fullmatch(line.strip()) if _indent(line) == least else None
        if begun is not None:
            name = begun[1]
            found[name] = begun[2] if entry.groups > 1 else ""
        elif name:
            found[name] = f"{found[name]} {line.strip()}".strip()
    return {each: text for each, text in found.items() if text}


def _indented(lines: list[str]) -> list[str]:
    """The lines that follow with an indent, up to the first without one."""
    return [*_while_indented(lines)]


def _while_indented(lines: list[str]) -> Iterator[str]:
    for line in lines:
        if not line.strip():
            continue
        if not _indent(line):
            return
        yield line


def _until_blank(lines: list[str]) -> list[str]:
    """The lines of a section of NumPy's style, up to the next section."""
    taken: list[str] = []
    for index, line in enumerate(lines):
        below = lines[index + 1].strip() if index + 1 < len(lines) else ""
        if below and set(below) == {"-"}:
            break
        if line.strip():
            taken.append(line)
    return taken


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
