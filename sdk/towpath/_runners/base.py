"""The base class of task runners, which users may extend for runners of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from towpath._runs.context import RunContext


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
