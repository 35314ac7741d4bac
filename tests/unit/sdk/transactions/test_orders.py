"""Nested transactions against a model: what is committed and rolled back, and in which order."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from towpath import task
from towpath._transactions.journal import folder_of, stages_in
from towpath.transactions import CommitMode, Transaction, transaction

from tests.budgets import examples

events: list[str] = []


def number_of(txn: Any) -> int:
    return int(txn.run.parameters["number"])


def committed(txn: Any) -> None:
    events.append(f"commit {number_of(txn)}")


@task(task_run_name="{number}", on_commit=[committed])
def works(number: int, *, hooks_raise: bool) -> int:
    return number


@works.on_rollback
def undo(txn: Any) -> None:
    events.append(f"undo {number_of(txn)}")
    if txn.run.parameters["hooks_raise"]:
        raise ValueError("a hook")


@works.on_commit
def done(txn: Any) -> None:
    if txn.run.parameters["hooks_raise"]:
        raise ValueError("a hook")
    events.append(f"done {number_of(txn)}")


@task
def fails() -> None:
    raise ValueError("a task")


@dataclass(eq=False)
class Node:
    """A transaction, or a run of a task, in the model."""

    parent: Node | None
    mode: str | None
    number: int = -1
    hooks_raise: bool = False
    children: list[Node] = field(default_factory=list["Node"])
    over: str = ""
    doomed: bool = False

    def __post_init__(self) -> None:
        if self.mode is None:
            self.mode = self.parent.mode if self.parent else "LAZY"

    def commit(self, model: list[str]) -> None:
        if self.over:
            return
        self.over = "committed"
        for child in self.children:
            child.commit(model)
        if self.number >= 0:
            model.append(f"commit {self.number}")
            if not self.hooks_raise:
                model.append(f"done {self.number}")

    def roll_back(self, model: list[str]) -> None:
        if self.over:
            return
        self.over = "rolled back"
        if self.number >= 0:
            model.append(f"undo {self.number}")
        for child in reversed(self.children):
            child.roll_back(model)
        if self.parent is not None:
            self.parent.doomed = True

    def take(self, child: Node, model: list[str]) -> None:
        if not self.over:
            self.children.append(child)
        elif self.over == "committed":
            child.commit(model)
        else:
            child.roll_back(model)

    def end(self, model: list[str], *, failed: bool) -> None:
        if failed or self.doomed:
            self.roll_back(model)
        elif self.over:
            if self.over == "rolled back" and self.parent is not None:
                self.parent.doomed = True
        elif self.parent is not None and self.mode != "EAGER":
            self.parent.take(self, model)
        elif self.mode == "OFF":
            self.roll_back(model)
        else:
            self.commit(model)


class Transactions(RuleBasedStateMachine):
    """Blocks that begin and end, within each other, and tasks in them."""

    def __init__(self) -> None:
        super().__init__()
        self.home = tempfile.TemporaryDirectory()
        self.patch = pytest.MonkeyPatch()
        self.patch.setenv("TOWPATH_HOME", self.home.name)
        self.blocks: list[Transaction] = []
        self.nodes: list[Node] = []
        self.all: list[Node] = []
        self.model: list[str] = []
        self.count = 0
        events.clear()

    @property
    def node(self) -> Node | None:
        return self.nodes[-1] if self.nodes else None

    @precondition(lambda self: len(self.blocks) < 4)
    @rule(mode=st.sampled_from([None, None, *CommitMode]))
    def begin(self, mode: CommitMode | None) -> None:
        self.blocks.append(transaction(commit_mode=mode).__enter__())
        self.nodes.append(Node(self.node, mode))

    @rule(hooks_raise=st.sampled_from([False, False, True]))
    def work(self, hooks_raise: bool) -> None:
        self.count += 1
        leaf = Node(self.node, None, self.count, hooks_raise)
        if self.node is not None and not self.node.over:
            self.all.append(leaf)
        works(self.count, hooks_raise=hooks_raise)
        leaf.end(self.model, failed=False)

    @rule()
    def fail(self) -> None:
        with suppress(ValueError):
            fails()
        if self.node is not None:
            self.node.doomed = True

    @precondition(lambda self: self.blocks)
    @rule(failed=st.booleans())
    def end(self, failed: bool) -> None:
        error = KeyError("a block") if failed else None
        block, node = self.blocks.pop(), self.nodes.pop()
        block.__exit__(type(error) if error else None, error, None)
        node.end(self.model, failed=failed)
        assert block.is_committed() == (node.over == "committed")
        assert block.is_rolled_back() == (node.over == "rolled back")

    @precondition(lambda self: self.blocks)
    @rule(commits=st.booleans())
    def settle_early(self, commits: bool) -> None:
        node = self.nodes[-1]
        was_over, doomed = bool(node.over), node.doomed
        done = self.blocks[-1].commit() if commits else self.blocks[-1].rollback()
        if commits and not doomed:
            node.commit(self.model)
        else:
            node.roll_back(self.model)
        assert done == (not was_over and (not commits or not doomed))

    @invariant()
    def hooks_are_called_as_the_model_says(self) -> None:
        assert events == self.model

    @invariant()
    def the_journal_has_what_is_to_be_rolled_back(self) -> None:
        files = list(folder_of(Path(self.home.name)).glob("*"))
        stages = [stage for file in files for stage in stages_in(file.read_bytes())]
        open_ones = [each for each in self.all if not each.over]
        assert [stage.name for stage in stages] == [str(each.number) for each in open_ones]
        assert len(files) <= bool(self.blocks)

    def teardown(self) -> None:
        try:
            while self.blocks:
                self.end(failed=False)
            self.hooks_are_called_as_the_model_says()
            self.the_journal_has_what_is_to_be_rolled_back()
        finally:
            self.patch.undo()
            self.home.cleanup()


def test_transactions_do_what_the_model_does() -> None:
    tries = settings(max_examples=examples(100), stateful_step_count=20)
    run_state_machine_as_test(Transactions, settings=tries)
