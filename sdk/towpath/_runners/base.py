"""What every task runner is: the class that users' own runners extend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from towpath._runs.context import RunContext


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

    def perform(self, task: Any, run: RunContext, parameters: dict[str, Any]) -> Any:
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
