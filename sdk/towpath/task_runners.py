"""Where submitted tasks run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar, Self

from towpath._runners.slots import Slots

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from towpath._definitions.task import Task
    from towpath._runners.processes.pool import WorkerPool
    from towpath.context import RunContext

__all__ = ["InlineTaskRunner", "ProcessPoolTaskRunner", "TaskRunner", "ThreadPoolTaskRunner"]


class TaskRunner:
    """Runs what is ready to run; entered for the life of a flow run."""

    remote: ClassVar[bool] = False
    """Whether functions run elsewhere than in the thread that drives the run: by `perform`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return None

    def run(self, work: Callable[[], None]) -> None:
        """Runs work that waits for nothing, now or later."""
        raise NotImplementedError

    def perform(self, task: Task[..., Any], run: RunContext, parameters: dict[str, Any]) -> Any:
        """Calls a task's function where it is to run, and returns its result.

        Raises:
            RunTimedOut: It took longer than the task's timeout, and was stopped.
            RunCrashed: What ran it is gone.
            Exception: What the function raised.
        """
        raise NotImplementedError

    def interrupt(self) -> None:
        """Stops what can be stopped, since the flow was interrupted."""

    def duplicate(self) -> TaskRunner:
        """A runner of the same kind, for another flow run."""
        raise NotImplementedError


class InlineTaskRunner(TaskRunner):
    """Runs each task in the thread that submits it."""

    def run(self, work: Callable[[], None]) -> None:
        """Runs work at once."""
        work()

    def duplicate(self) -> InlineTaskRunner:
        """Another one."""
        return InlineTaskRunner()


class ThreadPoolTaskRunner(TaskRunner):
    """Runs tasks in threads. A task that waits for others makes room for them."""

    def __init__(self, max_workers: int = 16) -> None:
        """Starts threads as they are needed.

        Args:
            max_workers: Most tasks that run at a time, not counting those that wait for others.
        """
        self._max_workers = _at_least_one(max_workers)
        self._slots: Slots | None = None

    def __enter__(self) -> Self:
        self._slots = Slots(self._max_workers, name="towpath-task")
        return self

    def __exit__(self, *_: object) -> None:
        if self._slots is not None:
            self._slots.close()
            self._slots = None

    def run(self, work: Callable[[], None]) -> None:
        """Runs work in one of the threads, in a copy of this context."""
        assert self._slots is not None, "a task runner runs within a flow"
        self._slots.run(work)

    def duplicate(self) -> TaskRunner:
        """Another one with as many threads."""
        return type(self)(self._max_workers)


class ProcessPoolTaskRunner(ThreadPoolTaskRunner):
    """Runs tasks in processes of their own: around the GIL, and stopped for good at a timeout.

    Processes are started afresh, never forked, and import nothing of the script that started them,
    so a script needs no `if __name__ == "__main__"`. Arguments and results are pickled. Hooks,
    retries and caching stay in the flow's process; tasks that a task calls run beside it.
    """

    remote: ClassVar[bool] = True

    def __init__(self, max_workers: int | None = None) -> None:
        """Starts processes as they are needed.

        Args:
            max_workers: Most processes; one for each core when not given.
        """
        super().__init__(os.cpu_count() or 1 if max_workers is None else max_workers)
        self._workers: WorkerPool | None = None

    def __enter__(self) -> Self:
        # Only flows that run in processes load what that takes.
        from towpath._runners.processes.pool import WorkerPool  # noqa: PLC0415 - see above

        self._workers = WorkerPool()
        return super().__enter__()

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        if self._workers is not None:
            self._workers.close()
            self._workers = None

    def perform(self, task: Task[..., Any], run: RunContext, parameters: dict[str, Any]) -> Any:
        """Calls a task's function in one of the processes."""
        assert self._workers is not None, "a task runner runs within a flow"
        return self._workers.call(task, run, parameters)

    def interrupt(self) -> None:
        """Kills the processes."""
        if self._workers is not None:
            self._workers.interrupt()


def _at_least_one(max_workers: int) -> int:
    if max_workers < 1:
        raise ValueError(f"max_workers must be 1 or more, not {max_workers}")
    return max_workers
