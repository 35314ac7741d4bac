"""The base class of task runners, which users may extend for runners of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from towpath._runs.context import using

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType

    from towpath._runs.context import RunContext
    from towpath._runs.futures import Future, FutureList
    from towpath._runs.loops import SharedLoop


class SubmittableTask(Protocol):
    """What a runner needs of a task that is submitted to it."""

    def submit(self, *args: Any, **kwargs: Any) -> Any:
        """Submits a call."""
        ...

    def map(self, *args: Any, **kwargs: Any) -> Any:
        """Submits a call for each item."""
        ...


class TaskRunner:
    """Runs submitted tasks once they are ready; it is entered for the life of a flow run."""

    remote: ClassVar[bool] = False
    """Whether `perform` runs a task's function outside of the thread that drives its run."""
    in_steps: ClassVar[bool] = False
    """Whether a run goes on in steps, and no thread waits for its function; of Towpath's own."""

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

    def submit(
        self, task: SubmittableTask, parameters: dict[str, Any], wait_for: Any = ()
    ) -> Future[Any]:
        """Submits a call of a task to this runner, within a flow; the runner is entered before.

        Args:
            task: The task.
            parameters: Arguments by parameter; futures may stand anywhere in them.
            wait_for: Futures to wait for, besides those in the arguments.

        Raises:
            MissingContextError: The call is outside of a flow.
            ParameterError: The arguments don't fit.
        """
        with using(self):
            future: Future[Any] = task.submit(**parameters, wait_for=wait_for)
        return future

    def map(
        self, task: SubmittableTask, parameters: dict[str, Any], wait_for: Any = ()
    ) -> FutureList[Any]:
        """Submits a call of a task for each item to this runner; see `submit` and `Task.map`."""
        with using(self):
            futures: FutureList[Any] = task.map(**parameters, wait_for=wait_for)
        return futures

    @property
    def name(self) -> str:
        """Name of the kind of runner, "threadpool"."""
        return type(self).__name__.lower().replace("taskrunner", "")

    def interrupt(self) -> None:
        """Stops functions that can be stopped, after the flow was interrupted."""

    def duplicate(self) -> TaskRunner:
        """Returns a runner with the same options, for another flow run."""
        raise NotImplementedError
