"""What the flow's process makes of a worker's reports and answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cloudpickle

from towpath._delivery.reports import StateReport
from towpath._runners.remote.messages import load_error
from towpath._runs.children import Child
from towpath._state_type import StateType

if TYPE_CHECKING:
    from towpath._runners.remote.messages import Ended, Report
    from towpath._runs.context import RunContext


class BegunRuns:
    """Passes a call's reports on, and knows which of the runs that it began are not over."""

    def __init__(self, run: RunContext) -> None:
        """Knows of none.

        Args:
            run: The run of the call.
        """
        self._run = run
        self._attempts: dict[str, int] = {}

    def report(self, message: Report) -> None:
        """Passes a report on."""
        getattr(self._run.reporter, message.method)(*message.arguments)
        if message.method == "create":
            (report,) = message.arguments
            if not report.state.state.terminal:
                self._attempts[report.run_id] = report.state.attempt
        elif message.method == "transition":
            run_id, state = message.arguments
            if state.state.terminal:
                self._attempts.pop(run_id, None)
            else:
                self._attempts[run_id] = state.attempt

    def close(self) -> None:
        """Ends the runs that the function had begun in a process that is gone."""
        run = self._run
        for run_id, attempt in self._attempts.items():
            run.reporter.transition(
                run_id,
                StateReport(
                    state=StateType.CRASHED,
                    time=run.clock.time(),
                    attempt=attempt,
                    reason="PROCESS_DIED",
                    message=f"the process of {run.name}, which had begun it, is gone",
                ),
            )


def value_of(run: RunContext, ended: Ended) -> Any:
    """Takes up how a call ended; returns its result.

    Raises:
        BaseException: What the function raised.
    """
    run.secrets.add_texts(ended.secrets)
    for failed in ended.failed_runs:
        run.children.settle(Child(failed.name, state=failed.state, handled=failed.handled))
    if ended.value is None:
        raise load_error(ended)
    return cloudpickle.loads(ended.value)
