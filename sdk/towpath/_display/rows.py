"""Makes rows of trees: each name's state, time and counts, as many as fit."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from math import ceil
from typing import TYPE_CHECKING, Final

from towpath._display.model import TROUBLES
from towpath._display.summary import cause
from towpath._display.words import counted, printable, span
from towpath._state_type import StateType

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from towpath._display.model import Group, OpenRun, Tree

_MOST_RETRYING: Final = 3
_MOST_RUNNING: Final = 2
_LONG_SECONDS: Final = 1.0
_NARROW: Final = 28
_ACTIVE: Final = frozenset({StateType.RUNNING, StateType.RETRYING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the display."""

    depth: int
    state: StateType
    name: str
    seconds: float | None = None
    counts: Sequence[tuple[StateType, str]] = ()
    remark: str = ""
    detail: bool = False
    """Whether it describes one run of several; such rows are left out first."""


def rows(trees: Sequence[Tree], now: float, *, height: int) -> list[Row]:
    """Returns the rows of all trees, at most `height`."""
    all_rows = [row for tree in trees if tree.root for row in _group(tree.root, 0, now)]
    if len(all_rows) > height:
        all_rows = [row for row in all_rows if not row.detail]
    if len(all_rows) <= height:
        return all_rows
    # Roots are kept first, then runs under way or failed, then the rest; the order stays.
    order = sorted(range(len(all_rows)), key=lambda at: _rank(all_rows[at]))
    kept = sorted(order[: max(1, height - 1)])
    hidden = len(all_rows) - len(kept)
    more = Row(depth=1, state=StateType.PENDING, name=f"and {hidden:,} more")
    return [*(all_rows[at] for at in kept), more][:height]


def _rank(row: Row) -> int:
    if not row.depth:
        return 0
    if row.state in _ACTIVE:
        return 1
    return 2 if row.state in TROUBLES else 3


def _group(group: Group, depth: int, now: float) -> Iterator[Row]:
    yield Row(
        depth=depth,
        state=group.state,
        name=group.name,
        seconds=group.ran(now) if group.began is not None else None,
        counts=counted(group.counts) if group.total > 1 else (),
        remark=_remark(group, now),
    )
    if group.total > 1:
        yield from _details(group, depth + 1, now)
    for below in list(group.groups.values()):
        yield from _group(below, depth + 1, now)


def _details(group: Group, depth: int, now: float) -> Iterator[Row]:
    for run in islice(group.retrying.values(), _MOST_RETRYING):
        yield _detail(run, depth, now)
    longest = (run for run in group.active.values() if run.state is StateType.RUNNING)
    for run in islice(longest, _MOST_RUNNING):
        if now - run.since > _LONG_SECONDS:
            yield _detail(run, depth, now)


def _detail(run: OpenRun, depth: int, now: float) -> Row:
    return Row(
        depth=depth,
        state=run.state,
        name=run.name,
        seconds=now - run.since,
        remark=attempt(run, now),
        detail=True,
    )


def _remark(group: Group, now: float) -> str:
    if group.total == 1 and group.active:
        return attempt(next(iter(group.active.values())), now)
    ended = [*group.troubles[:1], *group.not_run[:1]]
    if not ended:
        return ""
    if ended[0].state is StateType.SKIPPED:
        return f"not run{cause(ended[0])}" if group.total == 1 else cause(ended[0]).strip()
    return ended[0].sentence if group.total == 1 else f"{ended[0].name}: {ended[0].message}"


def attempt(run: OpenRun, now: float) -> str:
    """Describes a run's attempt: "attempt 2/3, next in 4 s: ValueError: no"; empty at its first."""
    if run.state is StateType.RETRYING:
        left = max(0.0, (run.next_attempt_time or now) - now)
        return (
            f"attempt {run.attempt + 1}/{run.max_attempts}, next in {ceil(left)} s: "
            + printable(run.message)
        )
    return f"attempt {run.attempt}/{run.max_attempts}" if run.attempt > 1 else ""


def name_width(shown: Sequence[Row], columns: int) -> int:
    """Returns the width of the column of names, indents included, in characters."""
    longest = max((2 * row.depth + len(row.name) for row in shown), default=0)
    return min(longest, max(_NARROW, columns // 3))


def time_cell(row: Row) -> str:
    """Returns the time of a row, for a column of 6 characters."""
    return f"{span(row.seconds, digits=1):>6}" if row.seconds is not None else " " * 6
