"""Runs a worker, for the command and for scripts that serve."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import platform
import re
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from towpath._work.kinds.opening import PROCESS, open_kind
from towpath._work.worker import Worker
from towpath._work.worker_events import WorkerEvent, WorkerOptions
from towpath.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from pathlib import Path

    from towpath._settings.declared import Settings

_NOT_IN_IDS: Final = re.compile(r"[^a-z0-9]+")
_HOST_LENGTH: Final = 40
_QUIET: Final = frozenset({"granted"})
_WARNED: Final = frozenset({"away", "clock", "fault", "lost"})

_log: Final = logging.getLogger("towpath.worker")


class Stops(Protocol):
    """How a worker is told to end."""

    @property
    def drain(self) -> threading.Event:
        """Take no more runs, and end when those under way have ended, or after the grace."""
        ...

    @property
    def stop_runs(self) -> threading.Event:
        """End those under way, too."""
        ...


def run_worker(
    settings: Settings,
    *,
    pool: str,
    queues: Sequence[str] = (),
    limit: int,
    stops: Stops,
    name: str = "",
    labels: Mapping[str, str] | None = None,
    grace_seconds: float = 30.0,
    stop_runs: bool = False,
    kind: str = PROCESS,
    namespace: str = "",
    on_event: Callable[[WorkerEvent], object] | None = None,
) -> None:
    """Executes runs of a pool until the worker is told to end.

    Args:
        settings: The settings of the process.
        pool: Id of the pool.
        queues: Ids of the queues; empty for all.
        limit: Most runs at a time.
        stops: The events by which it is told to end.
        name: Id of the worker, the same after a restart; empty for one that follows from the
            machine, the pool and the queues, or for Kubernetes from the pool and the queues.
        labels: Labels of the worker.
        grace_seconds: Time that runs have to end after the worker is asked to stop.
        stop_runs: Whether runs that haven't ended by then are cancelled.
        kind: How it executes them: "process" on this machine, or "kubernetes".
        namespace: Namespace of its Jobs; empty for that of the cluster's configuration.
        on_event: Called with what happens, in any thread; None to log it.

    Raises:
        ConfigurationError: Another worker of that name runs on this home, or the kind lacks
            something.
        RpcError: The service refuses the worker.
    """
    # The name of a pod is a new one after each restart.
    worker_name = name or default_name(pool, queues, host="" if kind == PROCESS else kind)
    said = on_event or _logged
    options = WorkerOptions(
        pool=pool,
        name=worker_name,
        slots=limit,
        queues=tuple(queues),
        labels=dict(labels or {}),
        grace_seconds=grace_seconds,
        stop_runs=stop_runs,
    )
    with (
        _only_one(settings.home, pool, worker_name),
        open_kind(
            kind,
            settings,
            pool=pool,
            worker=worker_name,
            namespace=namespace,
            tell=lambda text: said(WorkerEvent(kind="fault", message=text)),
        ) as opened,
    ):
        worker = Worker(options, settings, opened, on_event=said)
        threading.Thread(
            target=_follow, args=(stops, worker), name="towpath-worker-stop", daemon=True
        ).start()
        worker.run()


def default_name(pool: str, queues: Sequence[str] = (), *, host: str = "") -> str:
    """The id of a worker that follows from its machine and what it serves.

    Args:
        pool: Id of the pool.
        queues: Ids of the queues.
        host: What stands for the machine; empty for its name.

    Returns:
        1 to 63 of a-z, 0-9 and -.
    """
    host = (
        _NOT_IN_IDS.sub("-", (host or platform.node()).lower()).strip("-")[:_HOST_LENGTH]
        or "worker"
    )
    if not queues:
        return f"{host.strip('-')}-{pool}"[:63].strip("-")
    digest = hashlib.sha256("/".join((pool, *sorted(queues))).encode()).hexdigest()[:8]
    return f"{host.strip('-')}-{digest}"


def _follow(stops: Stops, worker: Worker) -> None:
    stops.drain.wait()
    worker.stop()
    stops.stop_runs.wait()
    worker.stop()


@contextmanager
def _only_one(home: Path, pool: str, name: str) -> Generator[None]:
    """Holds the lock of a worker's name on its home."""
    folder = home / "workers"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(folder / f"{pool}.{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(
                f"a worker named {name!r} of pool {pool!r} runs on the home {home} already:"
                " give this one another name with --name"
            ) from None
        yield
    finally:
        os.close(descriptor)


def _logged(event: WorkerEvent) -> None:
    level = logging.WARNING if event.kind in _WARNED else logging.INFO
    _log.log(logging.DEBUG if event.kind in _QUIET else level, "%s", event.message)
