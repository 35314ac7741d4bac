"""Lines for important events: for logs of CI, cron and pipes, and terminals that can't redraw."""

from __future__ import annotations

import sys
import time
from collections import Counter
from math import ceil
from typing import TYPE_CHECKING, Final

from towpath._display.model import TROUBLES, outcome
from towpath._display.summary import end_line
from towpath._display.words import counted, encodable, printable, short_id, span
from towpath._state_type import StateType

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence

    from towpath._delivery.reports import StateReport
    from towpath._display.model import OpenRun, Tree

MOST_LINES: Final = 20
"""Most lines of each kind in a flow run, and most flow runs that get all their lines."""
_FIRST_PROGRESS_SECONDS: Final = 5.0
_RAREST_PROGRESS_SECONDS: Final = 60.0
_TOLD: Final = TROUBLES | {StateType.COMPLETED, StateType.RETRYING, StateType.SKIPPED}


class PlainView:
    """Writes a line when a flow begins, a task ends badly or is retried, and a flow ends.

    Completed tasks get a line each up to a limit; then a line gives counts every few seconds.
    """

    prompt = True

    def __init__(self, lock: threading.RLock) -> None:
        del lock
        self._pages = 0
        self._unsaid: Counter[StateType] = Counter()

    def page(self) -> Page:
        """Returns the listener that writes the lines of a new root flow run."""
        self._pages += 1
        return Page(brief=self._pages > MOST_LINES)

    def prepare(self) -> None:
        """Lines need no preparation."""

    def show(self, trees: Sequence[Tree], now: float) -> None:
        """Writes the counts of runs every few seconds, once single lines have stopped."""
        for tree in trees:
            if isinstance(tree.listener, Page):
                tree.listener.progress(tree, now)

    def end(self, tree: Tree, others: Sequence[Tree]) -> None:
        """Writes the end of a root flow run; past a limit, completed ones are only counted."""
        del others
        page = tree.listener
        if isinstance(page, Page) and page.brief and tree.state is StateType.COMPLETED:
            self._unsaid[tree.state] += 1
        else:
            _write(time.time(), end_line(tree))

    def close(self) -> None:
        """Writes the number of flow runs without a line."""
        if self._unsaid:
            count = self._unsaid.total()
            _write(time.time(), f"{count:,} more flow runs completed")
            self._unsaid.clear()

    def let_go(self) -> None:
        """Does nothing: a view of lines holds no terminal."""


class Page:
    """The lines of one root flow run.

    Args:
        brief: Write only failures.
    """

    def __init__(self, *, brief: bool = False) -> None:
        self.brief: Final = brief
        self._said: Counter[StateType] = Counter()
        self._counted: Counter[StateType] = Counter()
        self._progress_at = 0.0
        self._pause = _FIRST_PROGRESS_SECONDS

    def __call__(self, tree: Tree, run: OpenRun, state: StateReport) -> None:
        """Writes a run's new state, if it is important and its kind hasn't reached the limit."""
        now = state.state
        if run.group is tree.root:
            if now is StateType.RETRYING:
                _write(state.time, f"{run.name}  {retry(run, state.time)}")
            elif now is StateType.PAUSED:
                _write(state.time, f"{run.name}  {paused(tree, state)}")
            elif now is StateType.RUNNING and state.reason:
                _write(state.time, f"{run.name}  goes on: {printable(state.message)}")
            elif now is StateType.RUNNING and state.attempt == 1 and not self.brief:
                _write(state.time, f"{run.name}  began")
                self._progress_at = state.time + self._pause
        elif now in _TOLD and not (self.brief and now is StateType.COMPLETED):
            self._said[now] += 1
            if self._said[now] <= MOST_LINES:
                _write(state.time, f"{run.name}  {_sentence(run, state)}")

    def progress(self, tree: Tree, now: float) -> None:
        """Writes the counts of runs by state, when they are due and have changed."""
        flooded = any(count > MOST_LINES for count in self._said.values())
        if flooded and now >= self._progress_at and tree.tasks != self._counted:
            self._counted = tree.tasks.copy()
            self._pause = min(self._pause * 2, _RAREST_PROGRESS_SECONDS)
            self._progress_at = now + self._pause
            _write(now, f"{tree.name}  {', '.join(text for _, text in counted(tree.tasks))}")


def retry(run: OpenRun, now: float) -> str:
    """Describes a run that awaits a retry: "attempt 1/3 failed, next in 4 s: ValueError: no"."""
    left = max(0.0, (run.next_attempt_time or now) - now)
    when = f", next in {ceil(left)} s" if left else ""
    why = f": {printable(run.message)}" if run.message else ""
    return f"attempt {run.attempt}/{run.max_attempts} failed{when}{why}"


def paused(tree: Tree, state: StateReport) -> str:
    """Describes a paused run: "paused: Ship it? (`towpath run resume 9h7jem16`)"."""
    why = f": {printable(state.message)}" if state.message else ""
    return f"paused{why} (`towpath run resume {short_id(tree.run_id)}`)"


def _sentence(run: OpenRun, state: StateReport) -> str:
    if state.state is StateType.RETRYING:
        return retry(run, state.time)
    if state.state is StateType.COMPLETED:
        how = "from cache" if state.reason == "CACHED" else span(state.time - run.since, digits=1)
        return f"completed ({how})" if state.reason == "CACHED" else f"completed after {how}"
    return outcome(state.state, state.message)


def _write(when: float, text: str) -> None:
    stream = sys.stderr
    clock = time.strftime("%H:%M:%S", time.localtime(when))
    stream.write(encodable(f"{clock}  {text}\n", stream.encoding))
    stream.flush()
