"""Runs tasks and prints what each took, in microseconds: a process of `poe bench telemetry`."""

from __future__ import annotations

import importlib
import json
import os
import sys
import time

from towpath import flow, task

if os.environ.get("LOAD_API"):
    importlib.import_module("opentelemetry.trace")


@task
def one(number: int) -> int:
    """Does next to nothing."""
    return number + 1


@flow
def many(count: int) -> list[float]:
    """Calls, then submits, so many; wall time and this thread's own, of each."""
    took: list[float] = []
    for number in range(500):
        one(number)
    wall, own = time.perf_counter(), time.thread_time()
    for number in range(count):
        one(number)
    took += [time.perf_counter() - wall, time.thread_time() - own]
    wall, own = time.perf_counter(), time.thread_time()
    futures = [one.submit(number) for number in range(count)]
    for future in futures:
        future.result()
    took += [time.perf_counter() - wall, time.thread_time() - own]
    return [seconds / count * 1e6 for seconds in took]


if __name__ == "__main__":
    print(json.dumps(many(int(sys.argv[1]))))
