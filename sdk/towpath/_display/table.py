"""Draws rows with rich; the only module of the display that loads rich."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

from rich.cells import set_cell_size
from rich.console import Console
from rich.text import Text

from towpath._display.rows import name_width, time_cell
from towpath._display.words import state_colour, state_symbol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath._display.rows import Row
    from towpath._state_type import StateType


def table(shown: Sequence[Row], columns: int) -> Text:
    """Returns the rows as lines, none wider than the terminal."""
    width = name_width(shown, columns)
    lines = [_line(row, width) for row in shown]
    for line in lines:
        line.truncate(columns - 1, overflow="ellipsis")
    return Text("\n", no_wrap=True).join(lines)


def drawn(shown: Sequence[Row], columns: int) -> list[str]:
    """Returns the rows as lines with escape sequences, for a terminal."""
    console = Console(file=StringIO(), force_terminal=True, width=columns, legacy_windows=False)
    with console.capture() as captured:
        console.print(table(shown, columns), no_wrap=True, crop=True, soft_wrap=False)
    return captured.get().splitlines()


def counts_text(counts: Sequence[tuple[StateType, str]]) -> Text:
    """Returns counts by state, each in its state's colour."""
    parts = [Text(text, style=state_colour(state) or "") for state, text in counts]
    return Text(" · ", style="dim").join(parts)


def _line(row: Row, width: int) -> Text:
    colour = state_colour(row.state) or "dim"
    name = set_cell_size(_cut("  " * row.depth + f"\0{row.name}", width + 1), width + 1)
    indent, _, rest = name.partition("\0")
    line = Text(no_wrap=True)
    line.append(f"{indent}{state_symbol(row.state)} ", style=colour)
    line.append(rest, style="" if row.depth else "bold")
    line.append(f"  {time_cell(row)}  ", style="dim")
    line.append_text(counts_text(row.counts))
    if row.remark:
        line.append("  " if row.counts else "")
        line.append(row.remark, style="dim" if row.counts else colour)
    return line


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
