"""What task runners for clusters have in common: runs in steps, and so many under way."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, ClassVar

from towpath._runners.remote.steps import Steps
from towpath._runners.threads import ThreadPoolTaskRunner

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath._runners.remote.call import Outcome
    from towpath._runners.remote.calls import Calls
    from towpath._runners.remote.steps import Place, Timer
    from towpath._runs.context import RunContext


class RemoteTaskRunner(ThreadPoolTaskRunner):
    """Runs tasks on a cluster; no thread of this process waits for them."""

    remote: ClassVar[bool] = True
    in_steps: ClassVar[bool] = True

    def __init__(self, max_workers: int | None) -> None:
        """Connects to nothing yet."""
        super().__init__(max_workers)
        self._stack = ExitStack()
        self._steps: Steps | None = None
        self._calls: Calls | None = None

    def _enter_steps(self, stack: ExitStack, calls: Callable[[Steps], Calls]) -> None:
        """Opens the way to a cluster for a flow run.

        Args:
            stack: What is to be closed after it.
            calls: Makes the calls of the flow run.
        """
        if self._steps is not None:
            raise RuntimeError("this task runner is entered already")
        self._steps = Steps(self.max_workers, name="towpath-task")
        try:
            self._calls = calls(self._steps)
        except BaseException:
            self._steps.close()
            self._steps = None
            raise
        self._stack = stack.pop_all()

    def __exit__(self, *_: object) -> None:
        steps, self._steps = self._steps, None
        calls, self._calls = self._calls, None
        with self._stack:
            try:
                if calls is not None:
                    calls.close()
            finally:
                if steps is not None:
                    steps.close()

    def run(self, work: Callable[[], None]) -> None:
        """Runs work in a thread."""
        self.soon(work)

    def enter(self, work: Callable[[Place], None]) -> None:
        """Runs work in a thread and a copy of this context, when there is a place for its run.

        Args:
            work: Gets the place, which it leaves, now or in a later step; it doesn't raise.
        """
        self._entered().enter(work)

    def soon(self, step: Callable[[], None]) -> None:
        """Runs a step of a run under way; it doesn't raise."""
        self._entered().soon(step)

    def later(self, seconds: float, step: Callable[[], None]) -> Timer:
        """Runs a step after a time, unless its timer is cancelled."""
        return self._entered().later(seconds, step)

    def begin_call(
        self,
        task: Any,
        run: RunContext,
        parameters: dict[str, Any],
        answered: Callable[[Outcome], None],
    ) -> None:
        """Calls a task's function on a worker.

        Args:
            task: The task.
            run: Its run.
            parameters: Arguments by parameter.
            answered: Called in a step with a function that returns the result or raises.

        Raises:
            ParameterError: An argument, or the task itself, can't be pickled.
        """
        assert self._calls is not None, "a task runner runs within a flow"
        self._calls.begin(task, run, parameters, answered)

    def interrupt(self) -> None:
        """Stops the functions on the workers, and cancels what has not begun."""
        if self._calls is not None:
            self._calls.stop()

    def _entered(self) -> Steps:
        assert self._steps is not None, "a task runner runs within a flow"
        return self._steps
