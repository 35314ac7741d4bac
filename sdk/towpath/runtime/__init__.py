"""The current runs: `flow_run`, `task_run` and `deployment`, whose attributes are read from them.

    from towpath.runtime import flow_run, task_run

    flow_run.name, flow_run.parameters, task_run.run_count

Outside of runs attributes are None, or empty. `remaining()` is the time that the current run
has left.
"""

from __future__ import annotations

from towpath._runs.context import current_run
from towpath._runs.time_left import remaining_of
from towpath.runtime import deployment, flow_run, task_run

__all__ = ["deadline_headers", "deployment", "flow_run", "remaining", "task_run"]


def remaining() -> float | None:
    """Returns the seconds that the current run has left.

    The timeouts of the run, of the runs around it and of its deployment count. A timeout stands
    still while its run is paused.

    Returns:
        Seconds, 0 when the time is over; None without a timeout, or outside of runs.
    """
    return remaining_of(current_run.get())


def deadline_headers() -> dict[str, str]:
    """Returns headers that tell an HTTP server how long the current run can wait for its answer.

    They are those of gRPC, `grpc-timeout`, and of Connect, `connect-timeout-ms`, in milliseconds.

    Returns:
        The headers; empty without a timeout, or outside of runs.
    """
    left = remaining()
    if left is None:
        return {}
    # Both protocols take at most so many digits.
    milliseconds = min(round(left * 1000), 99_999_999)
    return {"grpc-timeout": f"{milliseconds}m", "connect-timeout-ms": str(milliseconds)}
