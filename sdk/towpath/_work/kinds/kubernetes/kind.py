"""The kind "kubernetes": each run is a Job of its own, which outlives the worker."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from towpath._work.environment import environment_of
from towpath._work.job_template import KUBERNETES
from towpath._work.kinds.kubernetes import names
from towpath._work.kinds.kubernetes.cluster import ClusterError
from towpath._work.kinds.kubernetes.jobs import Jobs
from towpath._work.kinds.kubernetes.manifest import (
    CERTIFICATES,
    FILES,
    FLUSH_SECONDS,
    HOME,
    TOKEN,
    files_of,
    job_of,
)
from towpath._work.kinds.kubernetes.watching import Pace
from towpath.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from towpath._settings.declared import Settings
    from towpath._work.kinds.base import Handle
    from towpath._work.kinds.kubernetes.cluster import Cluster
    from towpath._work.kinds.kubernetes.handle import JobHandle
    from towpath._work.leases import Lease
    from towpath._work.proof import StopProof

Result = TypeVar("Result")


class KubernetesKind:
    """Runs as Jobs of a namespace. A context: its thread follows them meanwhile."""

    name: ClassVar[str] = "kubernetes"
    template_schema: ClassVar[Mapping[str, Any]] = KUBERNETES

    def __init__(
        self,
        settings: Settings,
        cluster: Callable[[], Cluster],
        *,
        pool: str,
        worker: str,
        tell: Callable[[str], object],
        environment: Mapping[str, str] | None = None,
        pace: Pace | None = None,
        tick_seconds: float = 1.0,
    ) -> None:
        """Starts nothing yet.

        Args:
            settings: The worker's settings.
            cluster: Connects to the cluster; called in the kind's thread.
            pool: Id of the pool.
            worker: Id of the worker: it adopts only what it has started.
            tell: Called with what is to be said to people; from the kind's thread.
            environment: Variables of telemetry of the worker, which its runs get.
            pace: The pauses between calls; None for the usual ones.
            tick_seconds: Time between looks at what time changes.
        """
        self._settings = settings
        self._connect = cluster
        self._worker = f"{pool}/{worker}"
        self._labels = names.worker_labels(settings.workspace or "default", pool, worker)
        self._tell = tell
        self._environment = {
            name: value for name, value in (environment or {}).items() if name.startswith("OTEL_")
        }
        self._pace = pace or Pace()
        self._tick_seconds = tick_seconds
        self._loop = asyncio.new_event_loop()
        self._jobs: Jobs | None = None

    def __enter__(self) -> Self:
        """Begins to follow the Jobs of the worker.

        Raises:
            ConfigurationError: There is no cluster to connect to.
        """
        begun: Future[None] = Future()
        self._thread = threading.Thread(
            target=self._run, args=(begun,), name="towpath-kubernetes", daemon=True
        )
        self._thread.start()
        begun.result()
        return self

    def __exit__(self, *error: object) -> None:
        if self._jobs is not None:
            self._await(self._jobs.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def start(self, lease: Lease) -> JobHandle:
        """Creates the Job of a lease, and returns once the server has it.

        Raises:
            ValueError: The template can't be used, or the server refuses the Job.
            OSError: The server is away, or the worker may not create it.
        """
        jobs = self._followed
        certificates = _read(self._settings.server_ca_file)
        token = Path(FILES, TOKEN) if lease.token else None
        variables, named = environment_of(
            lease, self._pod_settings(lease, certificates), self._environment, token_path=token
        )
        variables.setdefault("TOWPATH_FLUSH_TIMEOUT_SECONDS", str(FLUSH_SECONDS))
        job = job_of(
            lease,
            namespace=jobs.cluster.namespace,
            labels=self._labels,
            environment=variables,
        )
        files = files_of(lease, self._worker, named, certificates)
        return self._await(jobs.start(lease, job, files))

    def stop(self, handle: Handle, grace_seconds: float) -> StopProof:
        """Stops a run and waits for the proof.

        Args:
            handle: The run.
            grace_seconds: Of no effect: see `JobHandle.request_stop`.
        """
        handle.request_stop(grace_seconds=grace_seconds)
        end = handle.wait()
        assert end is not None
        return end.proof

    def adopt(self) -> Sequence[JobHandle]:
        """Returns the Jobs of this worker whose ends were not acknowledged, running or not.

        Raises:
            ConfigurationError: The worker may not list them.
            OSError: The server is away.
        """
        try:
            return self._await(self._followed.adopt())
        except ClusterError as error:
            raise ConfigurationError(
                f"the worker can't use namespace {self._followed.cluster.namespace}: {error}."
                " The guide to Kubernetes has the Role that it needs"
            ) from error

    @property
    def _followed(self) -> Jobs:
        assert self._jobs is not None, "the kind is a context, and wasn't entered"
        return self._jobs

    def _run(self, begun: Future[None]) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._begin())
        except BaseException as error:  # noqa: BLE001 - who enters gets it
            begun.set_exception(error)
            return
        begun.set_result(None)
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    async def _begin(self) -> None:
        jobs = Jobs(
            self._connect(),
            self._labels,
            self._settings.home / "kubernetes",
            pace=self._pace,
            tell=self._tell,
            tick_seconds=self._tick_seconds,
        )
        jobs.begin()
        self._jobs = jobs

    def _await(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _pod_settings(self, lease: Lease, certificates: str) -> Settings:
        """The settings of a pod: none of the worker's files are there, and not its certificate."""
        return replace(
            self._settings,
            home=Path(HOME),
            server_address=lease.template.get("server_address") or self._settings.server_address,
            server_ca_file=Path(FILES, CERTIFICATES) if certificates else None,
            server_client_cert=None,
            server_client_key=None,
        )


def _read(file: Path | None) -> str:
    """The text of a file of certificates; empty without one."""
    return "" if file is None else file.read_text(encoding="utf-8")
