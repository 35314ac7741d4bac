"""A task runner whose cluster is the test: it says when and how each call ends."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, Any, Self

from towpath._runners.remote.runner import RemoteTaskRunner
from towpath._runners.remote.steps import Steps
from towpath.exceptions import RunCancelled

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath._runs.context import RunContext


class HeldCall:
    """A call that waits for the test."""

    def __init__(self, work: Callable[[], Any], answered: Any, runner: HeldRunner) -> None:
        self._work = work
        self._answered = answered
        self._runner = runner
        self._over = False

    def end(self) -> None:
        """Has the task's function called."""
        self._over = True
        self._runner.soon(lambda: self._answered(self._work))

    def fail(self, error: BaseException) -> None:
        """Ends it with an error instead, unless it is over."""
        if self._over:
            return
        self._over = True

        def outcome() -> None:
            raise error

        self._runner.soon(lambda: self._answered(outcome))


class HeldRunner(RemoteTaskRunner):
    """Holds calls until the test ends them."""

    def __init__(self, max_workers: int) -> None:
        super().__init__(max_workers)
        self.calls: queue.SimpleQueue[HeldCall] = queue.SimpleQueue()
        self.under_way: list[HeldCall] = []

    def __enter__(self) -> Self:
        self._steps = Steps(self.max_workers, name="held")
        return self

    def begin_call(
        self, task: Any, run: RunContext, parameters: dict[str, Any], answered: Any
    ) -> None:
        call = HeldCall(lambda: task.body(parameters), answered, self)
        self.calls.put(call)

    def next(self) -> HeldCall:
        """The call that began next."""
        call = self.calls.get(timeout=60)
        self.under_way.append(call)
        return call

    def interrupt(self) -> None:
        for call in self.under_way:
            call.fail(RunCancelled("stopped"))

    def duplicate(self) -> HeldRunner:
        return self
