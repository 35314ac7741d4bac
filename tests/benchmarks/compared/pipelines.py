"""The pipelines of both sides: for Prefect, the first line of imports names Prefect instead.

A pipeline returns the id of its flow run, by which the server is asked what it has recorded.
"""

from towpath import flow, task
from towpath.runtime import flow_run


@task
def nothing() -> None:
    """Does nothing."""


@task
def nothing_with(item: int) -> None:
    """Does nothing with an item."""


@flow
def called(tasks: int) -> str:
    """Calls a task again and again."""
    for _ in range(tasks):
        nothing()
    return str(flow_run.id)


@flow
def submitted(tasks: int) -> str:
    """Submits a task again and again, then waits for each."""
    futures = [nothing.submit() for _ in range(tasks)]
    for future in futures:
        future.wait()
    return str(flow_run.id)


@flow
def mapped(tasks: int) -> str:
    """Maps a task over a range, then waits for all."""
    nothing_with.map(range(tasks)).wait()
    return str(flow_run.id)


PIPELINES = {"called": called, "submitted": submitted, "mapped": mapped}
