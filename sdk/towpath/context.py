"""The run that code is in, and the tags in force."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from towpath._delivery.reports import Reporter
    from towpath._engine.children import Child
    from towpath.task_runners import TaskRunner


@dataclass(slots=True, kw_only=True)
class RunContext:
    """The run that the present code is part of."""

    run_id: str
    kind: Literal["flow", "task"]
    name: str
    flow_id: str
    flow_name: str
    root_run_id: str
    parent_run_id: str
    reporter: Reporter
    parameters: dict[str, Any]
    tags: frozenset[str]
    runner: TaskRunner | None = None
    attempt: int = 1
    log_prints: bool = False
    children: list[Child] = field(default_factory=list["Child"])
    counts: dict[str, int] = field(default_factory=dict[str, int])
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next_index(self, task_key: str) -> int:
        """Which call of a task within this run the next one is, from 0."""
        with self.lock:
            index = self.counts.get(task_key, 0)
            self.counts[task_key] = index + 1
            return index


current_run: ContextVar[RunContext | None] = ContextVar("towpath_run", default=None)
_tags: ContextVar[frozenset[str]] = ContextVar("towpath_tags", default=frozenset())


@contextmanager
def tags(*names: str) -> Iterator[frozenset[str]]:
    """Adds tags to the runs that begin within the context."""
    token = _tags.set(_tags.get() | frozenset(names))
    try:
        yield _tags.get()
    finally:
        _tags.reset(token)


def current_tags() -> frozenset[str]:
    """The tags in force."""
    return _tags.get()
