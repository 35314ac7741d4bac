from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from distributed import LocalCluster
from towpath.dask import DaskTaskRunner
from towpath.task_runners import (
    InlineTaskRunner,
    ProcessPoolTaskRunner,
    TaskRunner,
    ThreadPoolTaskRunner,
)
from towpath.testing import Harness, harness

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNNERS = ["inline", "threads", "processes", "dask"]


@cache
def runner_of(name: str) -> TaskRunner:
    """The runner of a name; all tests of this process share it."""
    if name == "inline":
        return InlineTaskRunner()
    if name == "threads":
        return ThreadPoolTaskRunner(max_workers=4)
    if name == "processes":
        return ProcessPoolTaskRunner(max_workers=2)
    return DaskTaskRunner(address=cluster_in_threads().scheduler_address)


@cache
def cluster_in_threads() -> Any:
    """A Dask cluster in this process: two workers, whose messages stay in memory."""
    return LocalCluster(
        n_workers=2, threads_per_worker=2, processes=False, dashboard_address="127.0.0.1:0"
    )


@pytest.fixture(scope="session", autouse=True)
def _close_cluster() -> Iterator[None]:
    yield
    if cluster_in_threads.cache_info().currsize:
        cluster_in_threads().close()


@pytest.fixture(params=RUNNERS)
def runner(request: pytest.FixtureRequest) -> TaskRunner:
    return runner_of(request.param)


@pytest.fixture
def recorded() -> Iterator[Harness]:
    with harness() as recording:
        yield recording
