"""A temporary Dask cluster on this machine.

Its workers are started, not forked, and don't import the script of the flow, as those of
`ProcessPoolTaskRunner`. Dask's own `LocalCluster` has them import it.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from typing import Any, Final

from towpath._runners.dask.library import ProcessInterface, SpecCluster, serve_spec

_HOST: Final = "127.0.0.1"
_SCHEDULER: Final = "distributed.Scheduler"
_START: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1));"
    " from towpath._runners.dask.local import main;"
    " main(sys.argv.pop(1), sys.argv.pop(1))"
)


def local_cluster(
    *,
    n_workers: int | None = None,
    threads_per_worker: int = 1,
    memory_limit: str | float | None = None,
    dashboard_address: str | None = None,
    host: str = _HOST,
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
    worker = {"cls": _LocalWorker, "options": {"options": options}}
    scheduler = {
        "cls": _SCHEDULER,
        "options": {
            "host": host,
            "port": 0,
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

    def __init__(self, scheduler: str, *, name: Any, options: dict[str, Any]) -> None:
        ProcessInterface.__init__(self)
        self._arguments = [
            json.dumps(sys.path),
            scheduler,
            json.dumps({"cls": "distributed.Nanny", "opts": {**options, "name": name}}),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603, ASYNC220 - this interpreter; it takes no time
            [sys.executable, "-c", _START, *self._arguments],
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
        await ProcessInterface.close(self)


def main(scheduler: str, spec: str) -> None:
    """Is a worker until the flow's process closes its end of a pipe, or ends.

    Args:
        scheduler: Address of the scheduler.
        spec: What Dask is to start, in JSON.
    """
    threading.Thread(target=_end_with_the_flow, daemon=True).start()
    serve_spec([scheduler, "--spec", spec], standalone_mode=False)


def _end_with_the_flow() -> None:
    sys.stdin.buffer.read()
    os.killpg(0, signal.SIGKILL)
