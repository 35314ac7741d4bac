"""Task runners beside what they are built on: no-op tasks in both, in turn, on the same workers."""

from __future__ import annotations

import gc
import resource
import time
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from towpath import flow, task
from towpath._runners.dask.library import Client
from towpath._runners.dask.local import local_cluster
from towpath.dask import DaskTaskRunner
from towpath.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner
from towpath.testing import harness

from tests.benchmarks.command import Benchmark, positive

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Generator

WORKERS = 2


def nothing(number: int) -> int:
    """Does nothing."""
    return number


@task
def no_op(number: int) -> int:
    """Does nothing."""
    return number


def _seconds(work: Callable[[], object]) -> float:
    gc.collect()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _in_flow(runner: TaskRunner, tasks: int) -> float:
    """Time of a map, within a flow that has begun its workers."""

    @flow(task_runner=runner, validate_parameters=False)
    def maps() -> float:
        no_op.map(range(2 * WORKERS)).wait()
        return _seconds(lambda: no_op.map(range(tasks)).wait())

    with harness():
        return maps()


@contextmanager
def _executors() -> Generator[list[tuple[str, Executor, TaskRunner]]]:
    with ThreadPoolExecutor(WORKERS) as threads, ProcessPoolExecutor(WORKERS) as processes:
        yield [
            ("threads", threads, ThreadPoolTaskRunner(WORKERS)),
            ("processes", processes, ProcessPoolTaskRunner(WORKERS)),
        ]


def _print(name: str, bare: float, ours: float, tasks: int) -> None:
    print(
        f"{name:9} bare {bare / tasks * 1e6:7,.0f} us a task, runner {ours / tasks * 1e6:7,.0f} us:"
        f" {ours / bare:5.2f} times"
    )


def _on_dask(tasks: int, rounds: int) -> None:
    with local_cluster(n_workers=WORKERS) as cluster, Client(cluster) as client:
        client.wait_for_workers(WORKERS)

        def bare() -> None:
            client.gather(client.map(nothing, range(tasks), pure=False))

        client.gather(client.map(nothing, range(2 * WORKERS), pure=False))
        for _ in range(rounds):
            _print("dask", _seconds(bare), _in_flow(DaskTaskRunner(cluster), tasks), tasks)


def _memory(tasks: int) -> None:
    """Prints by how much the largest memory of this process grows with a map."""
    with local_cluster(n_workers=WORKERS) as cluster:
        sizes: list[int] = []
        for number in (tasks, tasks, 10 * tasks):
            _in_flow(DaskTaskRunner(cluster), number)
            sizes.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
    print(f"dask: {sizes[1]} MB at most after {tasks} tasks, {sizes[2]} MB after {10 * tasks} more")


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tasks", type=positive, default=2000, help="in a map")
    parser.add_argument("--rounds", type=positive, default=3, help="of each runner")
    parser.add_argument("--memory", action="store_true", help="measure memory instead, on Dask")


def _run(options: argparse.Namespace) -> None:
    if options.memory:
        _memory(options.tasks)
        return
    with _executors() as executors:
        for name, executor, runner in executors:
            list(executor.map(nothing, range(2 * WORKERS)))
            for _ in range(options.rounds):
                bare = _seconds(lambda run=executor: _gathered(run, options.tasks))
                _print(name, bare, _in_flow(runner, options.tasks), options.tasks)
    _on_dask(options.tasks, options.rounds)


def _gathered(executor: Executor, tasks: int) -> list[Any]:
    futures = [executor.submit(nothing, number) for number in range(tasks)]
    return [future.result() for future in futures]


BENCHMARK = Benchmark(
    summary="task runners beside bare executors and Dask's own map, for no-op tasks",
    method=(
        f"{WORKERS} workers; in turn a map of no-op functions on the bare executor or client, and"
        " one of no-op tasks in a flow that has begun; reports stay in memory."
    ),
    add_options=_add_options,
    run=_run,
)
