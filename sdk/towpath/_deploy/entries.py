"""Entries of a project file, which know their lines."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_WORDS = {str: "a text", int: "a number", float: "a number", bool: "true or false", list: "a list"}


class EntryError(Exception):
    """An entry is wrong."""

    def __init__(self, message: str, line: int) -> None:
        """Keeps where.

        Args:
            message: What is wrong.
            line: Line of the entry, from 1.
        """
        super().__init__(message)
        self.line = line


class Entry(dict[str, Any]):
    """A mapping of a project file.

    Attributes:
        line: The line on which it begins, from 1.
    """

    def __init__(self, line: int) -> None:
        """Holds nothing yet."""
        super().__init__()
        self.line = line

    def only(self, known: Collection[str]) -> None:
        """Refuses keys that aren't known.

        Raises:
            EntryError: There is one.
        """
        for name in self:
            if name not in known:
                close = difflib.get_close_matches(name, known, 1)
                hint = f": did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"
                raise EntryError(f"there is no key {name!r}{hint}", self.line)

    def value(self, name: str, *kinds: type[Any]) -> Any:
        """Returns a value of one of these types.

        Raises:
            EntryError: It has another type.
        """
        found = self.get(name)
        wrong_flag = isinstance(found, bool) and bool not in kinds
        if wrong_flag or not isinstance(found, kinds):
            words = " or ".join(dict.fromkeys(_WORDS.get(each, "a mapping") for each in kinds))
            raise EntryError(f"{name} is {words}, not {found!r}", self.line)
        return found

    def text(self, name: str, *, required: bool = False) -> str:
        """Returns a text; empty without one.

        Raises:
            EntryError: It is no text, or is required and missing.
        """
        if self.get(name) is None:
            if required:
                raise EntryError(f"{name} is missing", self.line)
            return ""
        found: str = self.value(name, str)
        return found

    def part(self, name: str) -> Entry | None:
        """Returns a mapping within this one; None without it.

        Raises:
            EntryError: It is no mapping.
        """
        return None if self.get(name) is None else self.value(name, Entry)

    def entries(self, name: str) -> Sequence[Entry]:
        """Returns a list of mappings; empty without one.

        Raises:
            EntryError: It is no such list.
        """
        if self.get(name) is None:
            return []
        found: list[Any] = self.value(name, list)
        for each in found:
            if not isinstance(each, Entry):
                raise EntryError(f"{name} is a list of mappings, not of {each!r}", self.line)
        return found
