"""Prefect's side of the comparison, run as a script by its own Python: `in_prefect.py SIZE...`.

Its server is asked ten times a second how many task runs of a flow run it has as completed.
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.request

from pipelines import PIPELINES
from timing import time_pipelines

WAIT_SECONDS = 600.0
POLL_SECONDS = 0.1


def _wait_recorded(flow_run: str, tasks: int) -> None:
    began = time.perf_counter()
    while (found := _count(flow_run)) < tasks:
        waited = time.perf_counter() - began
        assert waited < WAIT_SECONDS, f"{found} of {tasks} task runs are recorded: take fewer"
        time.sleep(POLL_SECONDS)


def _count(flow_run: str) -> int:
    question = {
        "flow_runs": {"id": {"any_": [flow_run]}},
        "task_runs": {"state": {"type": {"any_": ["COMPLETED"]}}},
    }
    request = urllib.request.Request(
        f"{os.environ['PREFECT_API_URL']}/task_runs/count",
        json.dumps(question).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        return int(answer.read())


if __name__ == "__main__":
    time_pipelines(PIPELINES, [int(argument) for argument in sys.argv[1:]], _wait_recorded)
