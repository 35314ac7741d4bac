"""Transactions of tasks that run in other processes."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from towpath import flow, task
from towpath.task_runners import ProcessPoolTaskRunner
from towpath.transactions import transaction

events: list[str] = []


def test_tasks_in_processes_are_parts_of_a_transaction() -> None:
    def undo(txn: Any) -> None:
        events.append(f"undo {txn.run.parameters['n']}")

    @task(on_rollback=[undo])
    def remote(n: int) -> int:
        return n

    @flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
    def around() -> None:
        with suppress(KeyError), transaction():
            remote.submit(1).wait()
            remote.submit(2).wait()
            raise KeyError

    around()
    assert events == ["undo 2", "undo 1"]
