"""The example whose trace the tests describe: a bit of everything that runs can do.

Called as a script, it runs the flow that its argument names.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from opentelemetry import trace
from towpath import flow, get_run_logger, task
from towpath.task_runners import ProcessPoolTaskRunner

tries: list[int] = []


@task
def extract(page: int) -> list[int]:
    """Has a span of the user's own."""
    with trace.get_tracer("users").start_as_current_span("GET /pages"):
        time.sleep(0.05)
        return [page, page + 1]


@task
def light(number: int) -> int:
    """Does next to nothing."""
    return number


@task(retries=1, retry_delay_seconds=0.05)
def transform(rows: list[int]) -> int:
    """Fails once."""
    tries.append(1)
    if len(tries) == 1:
        raise ConnectionError("reset")
    return sum(rows)


@task
def crunch(number: int) -> int:
    """Runs in a process of its own."""
    with trace.get_tracer("users").start_as_current_span("crunching"):
        return number * number


@task
def check(number: int) -> None:
    """Fails for good."""
    raise ValueError(f"{number} is odd")


@task
def publish(nothing: None) -> None:
    """Never runs, since what it waits for fails."""


@flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
def crunch_all(number: int) -> int:
    """A subflow in processes."""
    return crunch.submit(number).result()


@flow
def etl() -> int:
    """All of it; fails, since `check` does."""
    number = crunch_all(transform.submit(extract.submit(1)).result())
    publish.submit(check.submit(number))
    return number


@flow
def killed() -> None:
    """Is killed in mid-run."""
    extract(1)
    os.kill(os.getpid(), signal.SIGKILL)


@flow
def fine() -> list[int]:
    """Completes."""
    return extract(1)


@flow
def talking() -> None:
    """Logs three lines."""
    for number in range(3):
        get_run_logger().info("line %d", number)


@flow
def many(count: int = 300) -> int:
    """Completes, after many tasks."""
    return len([light(number) for number in range(count)])


@flow
def forking() -> None:
    """Goes on in a forked child, too."""
    extract(1)
    child = os.fork()
    if child == 0:
        extract(2)
        time.sleep(0.5)
        os._exit(0)
    os.waitpid(child, 0)


if __name__ == "__main__":
    globals()[sys.argv[1]]()
