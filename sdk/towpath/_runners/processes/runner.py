"""The task runner that runs tasks in processes of their own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar, Self

from towpath._runners.threads import ThreadPoolTaskRunner

if TYPE_CHECKING:
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
    """

    remote: ClassVar[bool] = True

    def __init__(self, max_workers: int | None = None) -> None:
        """Starts processes as they are needed.

        Args:
            max_workers: Most processes; None for the setting, else one for each core.
        """
        super().__init__(max_workers)
        self._workers: WorkerPool | None = None

    def _usual_workers(self) -> int:
        return os.cpu_count() or 1

    def __enter__(self) -> Self:
        # Flows that run in threads don't pay for pickling, pipes and subprocesses.
        from towpath._runners.processes.pool import WorkerPool  # noqa: PLC0415 - loads cloudpickle

        self._workers = WorkerPool()
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
