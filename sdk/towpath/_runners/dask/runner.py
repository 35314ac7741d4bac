"""The task runner that runs tasks on a Dask cluster."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final, Self

from towpath._runners.remote.runner import RemoteTaskRunner
from towpath.exceptions import ConfigurationError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

_FEWEST_AT_A_TIME: Final = 64
_PER_THREAD: Final = 4


class DaskTaskRunner(RemoteTaskRunner):
    """Runs tasks on a Dask cluster: a temporary one of each flow run, or one that is there.

    Without arguments each flow run has a cluster of this machine, with a process for each core.
    Its processes don't import the script that started them. Retries, hooks, caching and reports
    stay in the flow's process; tasks that a task calls run on its worker. Dask never runs a task
    again by itself: when a worker dies, the runs of its tasks crash, and `retries` cover that.

    Args:
        cluster: A cluster object that is running; it stays open.
        address: Address of a scheduler that is running, "tls://10.0.0.1:8786".
        cluster_class: Makes a temporary cluster: a class or function, or its import path.
        cluster_kwargs: Arguments of `cluster_class`. Without one: `n_workers`,
            `threads_per_worker`, `memory_limit`, `dashboard_address`, `host`, and options of Dask's
            workers; with `processes=False` those of Dask's `LocalCluster`.
        adapt_kwargs: Arguments of the temporary cluster's `adapt`, which then grows and shrinks.
        client_kwargs: Arguments of Dask's `Client`.
        performance_report_path: File for Dask's performance report of the flow run.
        max_workers: Most tasks that the cluster has at a time; None for the setting
            `task.max_workers`, else 4 for each thread of the cluster, and at least 64.
    """

    def __init__(
        self,
        cluster: Any = None,
        *,
        address: str | None = None,
        cluster_class: str | Callable[..., Any] | None = None,
        cluster_kwargs: dict[str, Any] | None = None,
        adapt_kwargs: dict[str, Any] | None = None,
        client_kwargs: dict[str, Any] | None = None,
        performance_report_path: str | os.PathLike[str] | None = None,
        max_workers: int | None = None,
    ) -> None:
        """Connects to nothing yet.

        Raises:
            ValueError: The arguments contradict each other.
        """
        super().__init__(max_workers)
        temporary = cluster_class is not None or bool(cluster_kwargs) or bool(adapt_kwargs)
        if (cluster is not None) + (address is not None) + temporary > 1:
            raise ValueError(
                "a DaskTaskRunner takes a cluster, or an address, or arguments of a temporary"
                " cluster (cluster_class, cluster_kwargs, adapt_kwargs)"
            )
        self._options: dict[str, Any] = {
            "cluster": cluster,
            "address": address,
            "cluster_class": cluster_class,
            "cluster_kwargs": dict(cluster_kwargs or {}),
            "adapt_kwargs": dict(adapt_kwargs or {}),
            "client_kwargs": dict(client_kwargs or {}),
            "performance_report_path": performance_report_path,
        }
        self._threads = 0

    def __eq__(self, other: object) -> bool:
        theirs: Any = other
        return super().__eq__(other) is True and bool(self._options == theirs._options)

    def __hash__(self) -> int:
        return super().__hash__()

    def _usual_workers(self) -> int:
        return max(_FEWEST_AT_A_TIME, _PER_THREAD * self._threads)

    def __enter__(self) -> Self:
        # Dask is an extra, and takes a second to load.
        try:
            from towpath._runners.dask.calls import Calls  # noqa: PLC0415 - an extra
            from towpath._runners.dask.cluster import client_of, threads_of  # noqa: PLC0415 - an extra
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                f"DaskTaskRunner needs Dask ({error}): pip install 'towpath[dask]'"
            ) from error
        with ExitStack() as stack:
            client = stack.enter_context(client_of(**self._options))
            self._threads = threads_of(client)
            self._enter_steps(stack, lambda steps: Calls(client, steps))
        return self

    def duplicate(self) -> DaskTaskRunner:
        """Returns a runner with the same options; a temporary cluster is another one."""
        return type(self)(**self._options, max_workers=self._max_workers)
