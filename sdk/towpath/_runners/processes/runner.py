"""The task runner that runs tasks in processes of their own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar, Self

from towpath._runners.threads import ThreadPoolTaskRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from towpath._runners.processes.pool import WorkerPool
    from towpath._runs.context import RunContext


class ProcessPoolTaskRunner(ThreadPoolTaskRunner):
    """Runs tasks in processes of their own: free of the GIL, and killed at a timeout.

    Processes are started afresh, never forked. They don't import the script that started them, so a
    script needs no `if __name__ == "__main__"`. Arguments and results are pickled. Hooks, retries
    and caching stay in the flow's process; tasks that a task calls run in the task's process.

    Args:
        max_workers: Most processes; None for the setting `task.max_workers`, else one for each
            core.
        initializer: Called once in each process before its first task; None for nothing. A run
            whose process it fails in is CRASHED. Functions of a script don't share globals with
            it: what it sets up belongs into a module that both import.
        initargs: Arguments of `initializer`.
    """

    remote: ClassVar[bool] = True

    def __init__(
        self,
        max_workers: int | None = None,
        *,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
    ) -> None:
        """Starts processes as they are needed.

        Args:
            max_workers: Most processes; None for the setting, else one for each core.
            initializer: Called once in each process before its first task; None for nothing.
            initargs: Arguments of `initializer`.

        Raises:
            ValueError: `max_workers` is less than 1.
            TypeError: `initializer` can't be called.
        """
        super().__init__(max_workers)
        if initializer is not None and not callable(initializer):
            raise TypeError(f"initializer is a function or None, not {initializer!r}")
        self._initializer = initializer
        self._initargs = tuple(initargs)
        self._workers: WorkerPool | None = None

    def _usual_workers(self) -> int:
        return os.cpu_count() or 1

    def __eq__(self, other: object) -> bool:
        same = super().__eq__(other)
        if same is not True:
            return same
        theirs: Any = other
        return bool(self._initializer == theirs._initializer and self._initargs == theirs._initargs)

    def __hash__(self) -> int:
        return super().__hash__()

    def duplicate(self) -> Self:
        """Returns a runner with the same options."""
        # Subclasses whose constructor takes no initializer have none.
        setup: dict[str, Any] = {"initializer": self._initializer, "initargs": self._initargs}
        return type(self)(self._max_workers, **(setup if self._initializer else {}))

    def __enter__(self) -> Self:
        # Flows that run in threads don't pay for pickling, pipes and subprocesses.
        from towpath._runners.processes.pool import WorkerPool  # noqa: PLC0415 - loads cloudpickle

        setup = None if self._initializer is None else (self._initializer, self._initargs)
        self._workers = WorkerPool(setup)
        return super().__enter__()

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        if self._workers is not None:
            self._workers.close()
            self._workers = None

    def perform(self, task: Any, run: RunContext, parameters: dict[str, Any]) -> Any:
        """Calls a task's function in one of the processes."""
        assert self._workers is not None, "a task runner runs within a flow"
        return self._workers.call(task, run, parameters)

    def interrupt(self) -> None:
        """Kills the processes."""
        if self._workers is not None:
            self._workers.interrupt()
