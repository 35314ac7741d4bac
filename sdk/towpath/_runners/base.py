"""The base class of task runners, which users may extend for runners of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType

    from towpath._runs.context import RunContext
    from towpath._runs.loops import SharedLoop


class TaskRunner:
    """Runs submitted tasks once they are ready; it is entered for the life of a flow run."""

    remote: ClassVar[bool] = False
    """Whether `perform` runs a task's function outside of the thread that drives its run."""

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
        """Runs work that is ready, now or later.

        Args:
            work: Drives a task run to its end; it doesn't raise.
        """
        raise NotImplementedError

    def run_in_loop(
        self,
        work: Callable[[], Coroutine[Any, Any, None]],
        loop: SharedLoop,
        ended: Callable[[], None],
    ) -> None:
        """Runs async work that is ready, now or later: by `run`, whose work waits for it.

        Args:
            work: Makes the coroutine that drives a task run to its end; it doesn't raise.
            loop: The loop of the flow's async tasks.
            ended: Called in the end, also when the work never began, since the loop was closed.
        """
        from towpath._runs.waiting import run_in  # noqa: PLC0415 - loads asyncio

        def wait() -> None:
            try:
                run_in(loop, work)
            finally:
                ended()

        self.run(wait)

    def perform(self, task: Any, run: RunContext, parameters: dict[str, Any]) -> Any:
        """Calls a task's function in the place of this runner, and returns its result.

        Args:
            task: The task.
            run: Its run.
            parameters: Arguments of the function by parameter name.

        Raises:
            RunTimedOut: It took longer than the task's timeout, and was stopped.
            RunCrashed: The process that ran it ended.
            Exception: The exception that the function raised.
        """
        raise NotImplementedError

    def interrupt(self) -> None:
        """Stops functions that can be stopped, after the flow was interrupted."""

    def duplicate(self) -> TaskRunner:
        """Returns a runner with the same options, for another flow run."""
        raise NotImplementedError
