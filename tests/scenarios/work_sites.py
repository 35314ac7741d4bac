"""A server with a worker that executes deployed flows."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from towpath._display.words import short_id
from towpath._settings.current import get_settings
from towpath._transport.opening import open_grpc
from towpath.client import Client, DeploymentSpec
from towpath.exceptions import RpcError

from tests.forkserver.processes import started
from tests.scenarios.servers import Server, environment, wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towpath.client import Run, Transition

    from tests.forkserver.client import Forked

FLOWS = """
import os, signal, time
from pathlib import Path
from towpath import flow, task

@task
def double(number: int) -> int:
    return 2 * number

@flow
def completes(number: int) -> int:
    return double(number)

@flow
def fails() -> None:
    raise ValueError("no such day")

@flow
def waits(place: str) -> str:
    folder = Path(place)
    print("first it waits")
    print("then it goes")
    (folder / "begun").touch()
    while not (folder / "go").exists():
        time.sleep(0.02)
    return "went"

@flow
def crashes_once(place: str) -> int:
    attempts = Path(place) / "attempts"
    with attempts.open("a") as file:
        file.write("x")
    if attempts.stat().st_size == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return 1

@flow
def holds_the_lock(place: str) -> str:
    import ctypes
    (Path(place) / "begun").touch()
    ctypes.PyDLL(None).usleep(6_500_000)
    return "went"

@flow
def reports_and_waits(place: str) -> None:
    folder = Path(place)
    (folder / "begun").touch()
    while not (folder / "go").exists():
        time.sleep(0.02)
    double(1)
    (folder / "reported").touch()
    time.sleep(600)

@flow
def stubborn(place: str) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    (Path(place) / "begun").touch()
    while True:
        try:
            time.sleep(0.02)
        except BaseException:
            pass
"""


BROKEN = "from towpath import flow\n\nimport nothing_like_it\n"


class Site:
    """A server, a folder with flows, and a worker that executes them."""

    def __init__(
        self,
        server: Server,
        *,
        key: str = "",
        worker_key: str = "",
        kind: str = "process",
        job_template: Mapping[str, Any] = MappingProxyType({"stop_seconds": 0.2}),
    ) -> None:
        """Makes a pool "local".

        Args:
            server: A running server.
            key: Key of who deploys and calls for runs; empty without identity.
            worker_key: Key of the workers.
            kind: Kind of the pool.
            job_template: Template of the pool.
        """
        self.server = server
        self.folder = server.home / "project"
        self.folder.mkdir()
        self.variables = {"TOWPATH_API_KEY": worker_key} if worker_key else {}
        (self.folder / "flows.py").write_text(FLOWS)
        (self.folder / "broken.py").write_text(BROKEN)
        self.workers: list[subprocess.Popen[bytes] | Forked] = []
        self._key = key
        self.connect()
        self.client.pools.create("local", kind=kind, job_template=dict(job_template))

    def connect(self) -> None:
        """Connects to the server as it is now."""
        settings = get_settings().__class__(home=self.server.home, api_key=self._key)
        self.transport = open_grpc(settings, self.server.address)
        self.client = Client(self.transport)

    def reconnect(self) -> None:
        """Connects anew to a server that was started again, once it answers."""
        wait_until(self._answers_anew, "the server answers")

    def _answers_anew(self) -> bool:
        self.transport.close()
        self.connect()
        with contextlib.suppress(RpcError):
            return self.client.pools.get("local").id == "local"
        return False

    @property
    def log(self) -> str:
        return (self.server.home / "worker.log").read_text(encoding="utf-8")

    def start_worker(self, *options: str) -> None:
        """Starts a worker, and waits until it is attached."""
        lives = self.log.count("is attached") if self.workers else 0
        with (self.server.home / "worker.log").open("ab") as log:
            self.workers.append(
                started(
                    "towpath",
                    ["worker", "start", "--pool", "local", *options],
                    environment=environment(
                        self.server.home,
                        TOWPATH_SERVER_ADDRESS=self.server.address,
                        **self.variables,
                    ),
                    folder=self.folder,
                    files=(subprocess.DEVNULL, log, log),
                )
            )
        wait_until(lambda: self._says_attached(lives), "the worker is attached")

    def _says_attached(self, lives: int) -> bool:
        assert self.workers[-1].poll() is None, self.log
        return self.log.count("is attached") > lives

    def deploy(self, flow: str, *, file: str = "flows.py", **options: Any) -> None:
        spec = DeploymentSpec(entrypoint=f"{file}:{flow}", flow_name=flow, pool="local", **options)
        self.client.deployments.deploy(f"{_id_of(flow)}/it", spec)

    def begin(self, flow: str, **parameters: Any) -> str:
        return self.client.create_run(f"{_id_of(flow)}/it", parameters=parameters).id

    def ended(self, run_id: str) -> Run:
        wait_until(lambda: self.client.run(run_id).state.terminal, f"run {run_id} ends")
        return self.client.run(run_id)

    def last(self, run_id: str) -> Transition:
        return list(self.client.transitions(run_id))[-1]

    def pid_of(self, run_id: str) -> int:
        marker = f" {short_id(run_id)} runs as process "
        wait_until(lambda: marker in self.log, f"the worker says that run {run_id} has a process")
        return int(self.log.partition(marker)[2].split()[0])

    def close(self) -> None:
        self.transport.close()
        for worker in self.workers:
            if worker.poll() is None:
                worker.kill()
            worker.wait()
        for folder in (self.server.home / "work").glob("*/shim.json"):
            # Of a test that failed half-way: no shim outlives it.
            with contextlib.suppress(OSError, ValueError, KeyError):
                if not (folder.parent / "exit.json").exists():
                    os.kill(json.loads(folder.read_text())["pid"], signal.SIGTERM)


def _id_of(flow: str) -> str:
    return flow.replace("_", "-")
