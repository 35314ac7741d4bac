"""Plain tables: ids are never cut, and what doesn't fit the terminal is the last column's."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints rows under a header; the last column is cut to the terminal's width."""
    widths = [
        max(len(line[column]) for line in (header, *rows)) for column in range(len(header) - 1)
    ]
    width = shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() else 10_000
    for line in (header, *rows):
        text = "  ".join(cell.ljust(size) for cell, size in zip(line, widths, strict=False))
        text = f"{text}  {' '.join(line[-1].split())}".rstrip()
        click.echo(text if len(text) <= width else f"{text[: width - 1]}…")
