"""Where submitted tasks run."""

from __future__ import annotations

import contextvars
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = ["InlineTaskRunner", "TaskRunner", "ThreadPoolTaskRunner"]


class TaskRunner(Protocol):
    """Runs ready work; entered for the life of a flow run."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def run(self, work: Callable[[], None]) -> None:
        """Runs work that waits for nothing, now or later."""
        ...

    def duplicate(self) -> TaskRunner:
        """A runner of the same kind, for another flow run."""
        ...


class InlineTaskRunner:
    """Runs each task in the thread that submits it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def run(self, work: Callable[[], None]) -> None:
        """Runs work at once."""
        work()

    def duplicate(self) -> InlineTaskRunner:
        """Another one."""
        return InlineTaskRunner()


class ThreadPoolTaskRunner:
    """Runs tasks in threads."""

    def __init__(self, max_workers: int = 16) -> None:
        """Starts threads as they are needed.

        Args:
            max_workers: Most threads.
        """
        self._max_workers = max_workers
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        self._pool = ThreadPoolExecutor(self._max_workers, thread_name_prefix="towpath-task")
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True)
            self._pool = None

    def run(self, work: Callable[[], None]) -> None:
        """Runs work in one of the threads, in a copy of this context."""
        assert self._pool is not None, "a task runner runs within a flow"
        self._pool.submit(contextvars.copy_context().run, work)

    def duplicate(self) -> ThreadPoolTaskRunner:
        """Another one with as many threads."""
        return ThreadPoolTaskRunner(self._max_workers)
