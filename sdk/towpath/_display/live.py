"""A tree of the current runs, redrawn below the printed output, and replaced by a summary."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Final

from towpath._display import summary
from towpath._display.plain import MOST_LINES
from towpath._display.rows import rows
from towpath._display.screen import Screen
from towpath._state_type import StateType

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from towpath._display.model import Told, Tree
    from towpath._display.rows import Row

_QUICK_SECONDS: Final = 0.1
_SPARE_ROWS: Final = 2


class LiveView:
    """Draws the trees of all root flow runs in one place."""

    prompt = False

    def __init__(self, lock: threading.RLock) -> None:
        self._screen = Screen(lock)
        self._drawn: Callable[[Sequence[Row], int], list[str]] | None = None
        self._ended = 0
        self._unsaid = 0

    def page(self) -> Told | None:
        """Returns None: the trees are enough."""
        return None

    def prepare(self) -> None:
        """Loads rich, which takes a tenth of a second; flows that end sooner don't need it."""
        if self._drawn is None:
            from towpath._display.table import drawn  # noqa: PLC0415 - loads rich

            self._drawn = drawn

    def show(self, trees: Sequence[Tree], now: float) -> None:
        """Draws the trees once one of them has run for a moment."""
        if self._drawn is None:
            return
        if not self._screen.is_open:
            if not any(tree.ran(now) > _QUICK_SECONDS for tree in trees):
                return
            self._screen.open()
        columns, height = self._screen.size
        shown = rows(trees, now, height=max(1, height - _SPARE_ROWS))
        self._screen.draw(self._drawn(shown, columns))

    def end(self, tree: Tree, others: Sequence[Tree]) -> None:
        """Prints a summary; of many quick flows that completed, only of the first ones."""
        self._ended += 1
        if self._ended > MOST_LINES and tree.state is StateType.COMPLETED and not tree.troubles:
            self._unsaid += 1
        else:
            self._screen.leave(summary.lines_of(tree, colour=_colourful()))
            summary.last_shown = tree.name if tree.state is not StateType.COMPLETED else ""
        if others:
            self.show(others, time.time())
        else:
            self._screen.close()

    def close(self) -> None:
        """Restores the terminal, and prints the number of flow runs without a summary."""
        self._screen.close()
        if self._unsaid:
            sys.stderr.write(f"{self._unsaid:,} more flow runs completed\n")
            self._unsaid = 0

    def let_go(self) -> None:
        """Leaves the terminal to the parent."""
        self._screen.let_go()


def _colourful() -> bool:
    return not os.environ.get("NO_COLOR")
