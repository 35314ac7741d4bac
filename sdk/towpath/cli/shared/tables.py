"""Plain tables, which leave out columns on a narrow terminal, and never cut ids."""

from __future__ import annotations

import shutil
import sys
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from towpath._display.words import printable, state_colour
from towpath._state_type import StateType
from towpath.cli.shared.session import colourful

if TYPE_CHECKING:
    from collections.abc import Sequence

_GAP: Final = "  "
_LAST_LEAST: Final = 12
_UNBOUNDED: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table."""

    title: str
    cells: Sequence[str]
    rank: int = 0
    """Order in which columns are left out of a narrow terminal, highest first; 0 stays."""
    most: int = _UNBOUNDED
    """Most characters of a cell; longer ones are cut."""


def print_table(columns: Sequence[Column], *, wide: bool = False) -> None:
    """Prints columns side by side, as many as the terminal has room for."""
    bounded = sys.stdout.isatty() and not wide
    width = shutil.get_terminal_size((80, 24)).columns if bounded else _UNBOUNDED
    for number, line in enumerate(layout(columns, width=width)):
        click.echo(_coloured(line) if number and colourful() else line)


def layout(columns: Sequence[Column], *, width: int) -> list[str]:
    """The lines of a table, header first.

    Args:
        columns: From left to right.
        width: Most characters of a line.
    """
    kept = list(columns)
    cut = {id(column): _cells(column) for column in columns}
    while _width(kept, cut) > width and any(column.rank for column in kept):
        kept.remove(max(kept, key=lambda column: column.rank))
    sizes = [max(map(cells, cut[id(column)])) for column in kept[:-1]]
    lines: list[str] = []
    for row in zip(*(cut[id(column)] for column in kept), strict=True):
        padded = [cell + " " * (size - cells(cell)) for cell, size in zip(row, sizes, strict=False)]
        line = _GAP.join([*padded, row[-1]]).rstrip()
        lines.append(shortened(line, width))
    return lines


def cells(text: str) -> int:
    """How many cells of a terminal a text takes."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    zero = sum(unicodedata.combining(char) > 0 for char in text)
    return len(text) + wide - zero


def shortened(text: str, most: int) -> str:
    """A text of at most so many cells; a cut one ends in an ellipsis."""
    if cells(text) <= most:
        return text
    while text and cells(text) >= most:
        text = text[:-1]
    return f"{text}…"


def _cells(column: Column) -> list[str]:
    return [shortened(printable(cell), column.most) for cell in (column.title, *column.cells)]


def _width(columns: Sequence[Column], cut: dict[int, list[str]]) -> int:
    sizes = [max(map(cells, cut[id(column)])) for column in columns]
    last = min(sizes[-1], _LAST_LEAST)
    return sum(sizes[:-1]) + last + len(_GAP) * (len(columns) - 1)


def _coloured(line: str) -> str:
    for word in line.split():
        if word in StateType.__members__:
            colour = state_colour(StateType(word))
            return line.replace(word, click.style(word, fg=colour), 1) if colour else line
    return line
