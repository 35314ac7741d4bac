"""The Dask cluster of a flow run: opened with the run, and closed with it if it is temporary."""

from __future__ import annotations

import importlib
from contextlib import ExitStack, contextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from towpath._runners.dask.library import Client, LocalCluster, performance_report
from towpath._runners.dask.local import local_cluster
from towpath.exceptions import ConfigurationError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Generator

_START_SECONDS: Final = 60.0


@contextmanager
def client_of(
    *,
    cluster: Any,
    address: str | None,
    cluster_class: str | Callable[..., Any] | None,
    cluster_kwargs: dict[str, Any],
    adapt_kwargs: dict[str, Any],
    client_kwargs: dict[str, Any],
    performance_report_path: str | os.PathLike[str] | None,
) -> Generator[Any]:
    """A client of a cluster; for the arguments see `DaskTaskRunner`.

    Raises:
        ConfigurationError: There is no such cluster class.
        OSError: No scheduler answers at the address.
        TimeoutError: No worker of a temporary local cluster has started.
    """
    with ExitStack() as stack:
        place = cluster if cluster is not None else address
        if place is None:
            # Dask leaves files behind.
            folder = stack.enter_context(
                TemporaryDirectory(prefix="towpath-dask-", ignore_cleanup_errors=True)
            )
            place = stack.enter_context(_temporary(cluster_class, cluster_kwargs, folder))
            if adapt_kwargs:
                place.adapt(**adapt_kwargs)
        client = Client(place, **{"set_as_default": False, **client_kwargs})
        stack.callback(client.close)
        if cluster_class is None and cluster is None and address is None and not adapt_kwargs:
            # Else a flow would wait for ever where its workers can't start.
            client.wait_for_workers(1, timeout=_START_SECONDS)
        if performance_report_path is not None:
            stack.enter_context(client.as_current())
            stack.enter_context(performance_report(filename=str(performance_report_path)))
        yield client


def threads_of(client: Any) -> int:
    """Number of threads of a cluster's workers that are there."""
    workers: dict[str, Any] = client.scheduler_info(n_workers=-1)["workers"]
    return sum(worker["nthreads"] for worker in workers.values())


def _temporary(kind: str | Callable[..., Any] | None, options: dict[str, Any], folder: str) -> Any:
    if isinstance(kind, str):
        return _imported(kind)(**options)
    if kind is not None:
        return kind(**options)
    if options.get("processes", True):
        return local_cluster(
            folder=folder,
            **{name: value for name, value in options.items() if name != "processes"},
        )
    return LocalCluster(**{"dashboard_address": "127.0.0.1:0", **options})


def _imported(path: str) -> Callable[..., Any]:
    module, _, name = path.replace(":", ".").rpartition(".")
    try:
        found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(
            f"cluster_class {path!r} can't be imported ({error}); write it as"
            " 'dask_kubernetes.operator.KubeCluster'"
        ) from error
    return found
