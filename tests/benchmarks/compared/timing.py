"""Times pipelines, in a process of either side; knows the standard library only."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

WARM_UP_TASKS = 20


def time_pipelines(
    pipelines: Mapping[str, Callable[[int], str]],
    sizes: Sequence[int],
    wait_recorded: Callable[[str, int], None],
) -> None:
    """Runs each pipeline at each size and prints a line of JSON for each.

    Every pipeline runs once before, small, for what loads late. A run begins only when all of the
    one before it is recorded.

    Args:
        pipelines: By name; each takes a number of tasks and returns the id of its flow run.
        sizes: Numbers of tasks.
        wait_recorded: Returns once the server has recorded so many task runs of a flow run as
            completed.
    """
    for pipeline in pipelines.values():
        wait_recorded(pipeline(WARM_UP_TASKS), WARM_UP_TASKS)
    for name, pipeline in pipelines.items():
        for tasks in sizes:
            began = time.perf_counter()
            flow_run = pipeline(tasks)
            returned = time.perf_counter()
            wait_recorded(flow_run, tasks)
            lag = time.perf_counter() - returned
            measured = {"pipeline": name, "tasks": tasks, "lag": lag}
            print(json.dumps(measured | {"seconds": returned - began}), flush=True)
