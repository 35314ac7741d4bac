"""What the tree of a flow looks like at 80 columns, and what it keeps."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console
from towpath._display.model import Tree
from towpath._display.rows import rows
from towpath._display.summary import lines_of
from towpath._display.table import table
from towpath._state_type import StateType

from tests.unit.sdk.display.reports import ROOT, root, state, task


@pytest.fixture
def tree() -> Tree:
    made = Tree()
    made.create(root())
    return made


def shown(*trees: Tree, now: float = 10.0, height: int = 22, width: int = 80) -> list[str]:
    console = Console(file=StringIO(), force_terminal=True, width=width, color_system=None)
    with console.capture() as captured:
        console.print(table(rows(trees, now, height=height), width))
    return [line.rstrip() for line in captured.get().splitlines()]


def test_runs_of_one_task_are_counted_in_one_row(tree: Tree) -> None:
    for number in range(5):
        tree.create(task(f"t{number}", f"extract[{number}]", state(at=9.5)))
    for number in range(3):
        tree.transition(f"t{number}", state(StateType.COMPLETED, at=9.8))
    tree.transition("t3", state(StateType.FAILED, at=9.9, message="ValueError: no"))
    assert shown(tree) == [
        "● nightly      10.0s",
        "  ● extract     0.5s  3 completed · 1 failed · 1 running  extract[3]: ValueErr…",
    ]


def test_a_retry_tells_which_attempt_comes_and_when(tree: Tree) -> None:
    tree.create(task("t", "load", max_attempts=3))
    waiting = state(StateType.RETRYING, at=9.0, message="ValueError: no", next_attempt_time=14.0)
    tree.transition("t", waiting)
    assert shown(tree)[1] == "  ↻ load     10.0s  attempt 2/3, next in 4 s: ValueError: no"
    tree.transition("t", state(at=14.0, attempt=2))
    assert shown(tree, now=15.0)[1] == "  ● load     15.0s  attempt 2/3"


def test_what_was_not_run_names_its_cause(tree: Tree) -> None:
    tree.create(task("t", "clean", state(StateType.PENDING)))
    message = "not run: load[3] failed (ValueError: no)"
    tree.transition("t", state(StateType.SKIPPED, at=1.0, message=message))
    assert shown(tree)[1].endswith("not run since load[3] failed")


def test_runs_of_a_subflow_are_below_it(tree: Tree) -> None:
    tree.create(task("sub", "sub"))
    tree.create(task("t", "step", parent="sub"))
    assert [line[:10].rstrip() for line in shown(tree)] == ["● nightly", "  ● sub", "    ● step"]


def test_ended_runs_leave_nothing_but_their_numbers(tree: Tree) -> None:
    for number in range(10_000):
        tree.create(task(f"t{number}", f"extract[{number}]"))
        ended = StateType.FAILED if number % 2 else StateType.COMPLETED
        tree.transition(f"t{number}", state(ended, at=1.0, message="no"))
    assert tree.root is not None
    (group,) = tree.root.groups.values()
    assert (tree.open_runs, len(group.active), len(tree.troubles)) == (1, 0, 8)
    assert "5,000 completed · 5,000 failed" in shown(tree)[1]


def test_ever_new_names_share_a_row_in_the_end(tree: Tree) -> None:
    for number in range(1_000):
        tree.create(task(f"t{number}", f"step {number}"))
    assert tree.root is not None
    assert len(tree.root.groups) == 201


def test_rows_are_as_many_as_the_terminal_has_and_what_goes_on_comes_first(tree: Tree) -> None:
    for number in range(30):
        tree.create(task(f"t{number}", f"step {number}"))
        if number != 28:
            tree.transition(f"t{number}", state(StateType.COMPLETED, at=1.0))
    lines = shown(tree, height=8)
    assert len(lines) == 8
    assert any("● step 28" in line for line in lines)
    assert lines[-1].strip() == "· and 24 more"


@pytest.mark.parametrize("width", [20, 40, 80])
def test_no_row_is_wider_than_the_terminal(tree: Tree, width: int) -> None:
    tree.create(task("t", "名" * 50))
    tree.transition("t", state(StateType.FAILED, at=1.0, message="x" * 300))
    assert all(len(line) < width for line in shown(tree, width=width))


def test_names_cannot_move_the_cursor(tree: Tree) -> None:
    tree.create(task("t", "evil\x1b[2J\r"))
    assert "\x1b" not in "".join(shown(tree))


def test_the_end_leaves_the_failures_and_what_was_not_run(tree: Tree) -> None:
    for name in ("load", "clean", "combine"):
        tree.create(task(name, name, state(StateType.PENDING)))
    tree.transition("load", state(StateType.FAILED, at=1.0, message="ValueError: no"))
    for name in ("clean", "combine"):
        why = "not run: load failed (ValueError: no)"
        tree.transition(name, state(StateType.SKIPPED, at=1.0, message=why))
    tree.transition(ROOT, state(StateType.FAILED, at=2.5, message="1 failed"))
    assert lines_of(tree, colour=False) == [
        "✗ nightly · 00001ayd  failed after 2.5s: 1 failed, 2 not run",
        "  ✗ load failed: ValueError: no",
        "  - not run since load failed: clean, combine",
    ]
