"""A temporary Dask cluster on this machine.

Its workers are started, not forked, and don't import the script of the flow, as those of
`ProcessPoolTaskRunner`. Dask's own `LocalCluster` has them import it.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from typing import Any, Final

from towpath._runners.dask.library import ProcessInterface, SpecCluster, serve_spec

_HOST: Final = "127.0.0.1"
_SCHEDULER: Final = "distributed.Scheduler"
_NANNY: Final = "distributed.Nanny"
_START: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1));"
    " from towpath._runners.dask.local import main;"
    " main(*sys.argv[1:])"
)


def local_cluster(
    *,
    n_workers: int | None = None,
    threads_per_worker: int = 1,
    memory_limit: str | float | None = None,
    dashboard_address: str | None = None,
    host: str = _HOST,
    folder: str | None = None,
    **worker_options: Any,
) -> Any:
    """Starts a cluster of processes on this machine.

    Args:
        n_workers: Number of workers; None for one per core.
        threads_per_worker: Tasks that each worker runs at a time. With more than one, the tasks of
            a worker crash together when its process ends.
        memory_limit: Memory of each worker, "2 GiB" or bytes; None for an even share.
        dashboard_address: Where Dask's dashboard listens; None for no dashboard.
        host: Where the scheduler and the workers listen.
        folder: Where Dask keeps files; None for the folder of temporary files.
        worker_options: Further options of Dask's workers; JSON values.
    """
    number = n_workers or os.cpu_count() or 1
    options = {
        "nthreads": threads_per_worker,
        "memory_limit": "auto" if memory_limit is None else memory_limit,
        "host": host,
        "silence_logs": logging.WARNING,
        **worker_options,
    }
    worker = {"cls": _LocalWorker, "options": {"folder": folder, "options": options}}
    scheduler = {
        "cls": _SCHEDULER,
        "options": {
            "host": host,
            "port": 0,
            "local_directory": folder,
            "dashboard": dashboard_address is not None,
            "dashboard_address": dashboard_address or f"{host}:0",
        },
    }
    return SpecCluster(
        workers=dict.fromkeys(range(number), worker),
        scheduler=scheduler,
        worker=worker,
        name="towpath",
        silence_logs=logging.CRITICAL,  # Runs tell of lost workers.
    )


class _LocalWorker(ProcessInterface):  # type: ignore[misc] # Dask's are untyped.
    """A worker in processes of its own, which end with the flow's."""

    def __init__(
        self, scheduler: str, *, name: Any, folder: str | None, options: dict[str, Any]
    ) -> None:
        ProcessInterface.__init__(self)
        self._scheduler = scheduler
        self._options = {**options, "name": name}
        self._parent = folder
        self._folder = ""
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="towpath-dask-", dir=self._parent)
        spec = {"cls": _NANNY, "opts": {"local_directory": self._folder, **self._options}}
        arguments = [json.dumps(sys.path), self._folder, self._scheduler, json.dumps(spec)]
        self._process = subprocess.Popen(  # noqa: S603, ASYNC220 - this interpreter; it takes no time
            [sys.executable, "-c", _START, *arguments],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        await ProcessInterface.start(self)

    async def close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            # The workers hold nothing to be saved, and a body may never end by itself.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            assert process.stdin is not None
            process.stdin.close()
            shutil.rmtree(self._folder, ignore_errors=True)
        await ProcessInterface.close(self)


def main(folder: str, scheduler: str, spec: str) -> None:
    """Is a worker until the flow's process closes its end of a pipe, or ends.

    Args:
        folder: Where the worker keeps its files; removed with the flow's process.
        scheduler: Address of the scheduler.
        spec: What Dask is to start, in JSON.
    """
    threading.Thread(target=_end_with_the_flow, args=(folder,), daemon=True).start()
    serve_spec([scheduler, "--spec", spec], standalone_mode=False)


def _end_with_the_flow(folder: str) -> None:
    sys.stdin.buffer.read()
    shutil.rmtree(folder, ignore_errors=True)
    os.killpg(0, signal.SIGKILL)
