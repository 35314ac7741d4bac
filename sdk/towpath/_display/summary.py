"""The summary of an ended root flow run, which stays in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from towpath._display.model import TROUBLES
from towpath._display.words import counted, short_id, span, state_colour, state_symbol, state_word
from towpath._state_type import StateType

if TYPE_CHECKING:
    from towpath._display.model import Ended, Tree

_CODES: Final = {"red": "31", "green": "32", "yellow": "33", "cyan": "36", "bold": "1"}

last_shown = ""
"""Name of the root flow whose failures were printed last."""


def end_line(tree: Tree) -> str:
    """Describes a root flow run in one line: its final state, its time, its tasks' states."""
    ran = span(tree.ran(0.0), digits=1)
    line = f"{tree.name} · {short_id(tree.run_id)}  {state_word(tree.state)} after {ran}"
    counts = ", ".join(text for _, text in counted(tree.tasks))
    if tree.state is not StateType.COMPLETED and tree.message and not tree.troubles:
        line += f": {tree.message}"
        return f"{line} ({counts})" if counts else line
    return f"{line}: {counts}" if counts else line


def lines_of(tree: Tree, *, colour: bool) -> list[str]:
    """Returns the lines for a root flow run's end, its failed tasks and its skipped ones."""
    lines = [f"{_symbol(tree.state, colour=colour)} {_painted(end_line(tree), 'bold', colour)}"]
    lines += [
        f"  {_symbol(ended.state, colour=colour)} {ended.name} {ended.sentence}"
        for ended in tree.troubles
    ]
    failed = sum(tree.tasks[state] for state in TROUBLES)
    if failed > len(tree.troubles):
        lines.append(f"    and {failed - len(tree.troubles):,} more")
    return lines + _not_run(tree, colour=colour)


def _not_run(tree: Tree, *, colour: bool) -> list[str]:
    causes: dict[str, list[str]] = {}
    for ended in tree.not_run:
        causes.setdefault(cause(ended), []).append(ended.name)
    symbol = _symbol(StateType.SKIPPED, colour=colour)
    lines = [f"  {symbol} not run{why}: {', '.join(names)}" for why, names in causes.items()]
    more = tree.tasks[StateType.SKIPPED] - len(tree.not_run)
    return [*lines, f"    and {more:,} more"] if more > 0 else lines


def cause(ended: Ended) -> str:
    """Returns why a run was skipped, as " since load[3] failed"; empty if that isn't known."""
    why = ended.message.removeprefix("not run: ").partition(" (")[0].strip()
    return f" since {why}" if why else ""


def _symbol(state: StateType, *, colour: bool) -> str:
    return _painted(state_symbol(state), state_colour(state) or "", colour)


def _painted(text: str, style: str, colour: bool) -> str:
    code = _CODES.get(style)
    return f"\x1b[{code}m{text}\x1b[0m" if colour and code else text
