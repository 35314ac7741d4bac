"""The kind "process": a run is a process on the worker's machine, supervised by a shim."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Final

from towpath._work import shim
from towpath._work.environment import environment_of
from towpath._work.folders import (
    STOP_SECONDS,
    Job,
    ProcessJob,
    RunFolder,
    remove_unfinished,
    run_folders,
)
from towpath._work.job_template import PROCESS
from towpath._work.proof import RunEnd, StopProof, not_started
from towpath._work.sessions import end_session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from towpath._settings.declared import Settings
    from towpath._work.folders import Output
    from towpath._work.kinds.base import Handle
    from towpath._work.leases import Lease

_log: Final = logging.getLogger("towpath.worker")
_KEEP_SECONDS: Final = 24 * 3600.0
_SHIM_LOG: Final = "shim.log"


class ProcessHandle:
    """A run's process, or what is known of it."""

    def __init__(self, folder: RunFolder, supervisor: subprocess.Popen[bytes] | None) -> None:
        """Follows a run to its end, in a thread that waits without using the processor.

        Args:
            folder: The run's folder.
            supervisor: Its shim, if this process started that.
        """
        self.folder = folder
        job = folder.job()
        self._run_id, self._attempt = job.run_id, job.attempt
        self._supervisor = supervisor
        self._future: Future[RunEnd] = Future()
        threading.Thread(
            target=self._follow, name=f"towpath-run-{folder.lease_id}", daemon=True
        ).start()

    def __repr__(self) -> str:
        return f"<run of lease {self.lease_id}>"

    @property
    def lease_id(self) -> str:
        """The lease that it executes under."""
        return self.folder.lease_id

    @property
    def run_id(self) -> str:
        """The run."""
        return self._run_id

    @property
    def attempt(self) -> int:
        """The attempt of the run."""
        return self._attempt

    @property
    def token_path(self) -> Path | None:
        """File of the run's token; None without identity."""
        path = self.folder.token_path
        return path if path.exists() else None

    @property
    def pid(self) -> int | None:
        """The run's process; None when it never began."""
        state = self.folder.shim_state()
        return None if state is None else state.run_pid

    @property
    def place(self) -> str:
        """Where it executes, for people."""
        pid = self.pid
        return f"process {pid}" if pid else ""

    @property
    def end(self) -> RunEnd | None:
        """How it ended; None while it executes."""
        return self._future.result() if self._future.done() else None

    def wait(self, timeout_seconds: float | None = None) -> RunEnd | None:
        """Waits for its end; returns None when the time ran out first."""
        try:
            return self._future.result(timeout_seconds)
        except FutureTimeout:
            return None

    def add_done_callback(self, call: Callable[[RunEnd], object]) -> None:
        """Calls a function with its end, in another thread, or at once when it has ended."""
        self._future.add_done_callback(lambda future: call(future.result()))

    def output(self, limit_bytes: int = shim.OUTPUT_BYTES) -> Output:
        """Returns the last bytes that it wrote to stdout and stderr."""
        return self.folder.output(limit_bytes)

    def request_stop(
        self, *, delay_seconds: float = 0.0, grace_seconds: float = STOP_SECONDS
    ) -> None:
        """Asks the shim for its end, and returns at once; arguments as in `Handle`."""
        if not self._future.done():
            self.folder.request_stop(delay_seconds=delay_seconds, grace_seconds=grace_seconds)

    def note_contact(self, time_since_boot: float) -> None:
        """Notes that the service has confirmed the lease; argument as in `Handle`."""
        self.folder.note_contact(time_since_boot)

    def renew_token(self, token: str) -> None:
        """Replaces the run's token."""
        self.folder.write_token(token)

    def acknowledge(self) -> None:
        """Notes that the service knows its end."""
        self.folder.acknowledge()

    def _follow(self) -> None:
        try:
            descriptor = self.folder.lock()
            try:
                end = self.folder.end() or self._lost()
            finally:
                os.close(descriptor)
            if self._supervisor is not None:
                self._supervisor.wait()
        except BaseException as error:  # noqa: BLE001 - who waits gets it
            self._future.set_exception(error)
        else:
            self._future.set_result(end)

    def _lost(self) -> RunEnd:
        """Ends a run whose shim is gone, and says so in its place; the folder is locked."""
        state = self.folder.shim_state()
        if state is None:
            end = not_started(self.lease_id, f"no shim began: see {self.folder.path / _SHIM_LOG}")
        else:
            killed = end_session(state, self.lease_id)
            end = RunEnd(
                proof=StopProof(
                    kind="KILLED",
                    lease_id=self.lease_id,
                    host=state.host,
                    observed_time=time.time(),
                    signal=9 if killed else None,
                    pid=state.run_pid,
                ),
                reason="SUPERVISOR_LOST",
                message=f"its shim, process {state.pid}, was killed",
            )
        with suppress(OSError):  # A full disk: the next worker finds out the same.
            self.folder.write_end(end)
        return end


class ProcessKind:
    """Runs as processes on this machine."""

    name: ClassVar[str] = "process"
    template_schema: ClassVar[Mapping[str, Any]] = PROCESS

    def __init__(
        self,
        settings: Settings,
        worker: str,
        *,
        directory: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Starts nothing yet.

        Args:
            settings: The worker's settings.
            worker: Name of the worker: it adopts only what it has started.
            directory: Folder to start runs in whose template names none.
            environment: The worker's environment; None for that of this process.
        """
        self._settings = settings
        self._worker = worker
        self._directory = directory
        self._environment = os.environ if environment is None else environment

    def start(self, lease: Lease) -> ProcessHandle:
        """Starts a run under a shim that outlives this worker.

        Returns when the run's process is there; one that can't be started has a handle that ends
        NEVER_STARTED.

        Raises:
            FileExistsError: The lease was started before.
            ValueError: The lease id can't name a folder.
            OSError: The home can't be written to.
        """
        token = self._token_path(lease)
        variables, secret = environment_of(
            lease, self._settings, self._environment, token_path=token
        )
        folder = RunFolder.create(self._settings.home, self._job(lease, secret), lease.token)
        return supervise(folder, variables)

    def stop(self, handle: Handle, grace_seconds: float) -> StopProof:
        """Stops a run and waits for the proof; see `Handle.request_stop` to stop it later.

        Args:
            handle: The run.
            grace_seconds: Seconds between SIGTERM and SIGKILL.
        """
        handle.request_stop(grace_seconds=grace_seconds)
        end = handle.wait()
        assert end is not None
        return end.proof

    def adopt(self) -> list[ProcessHandle]:
        """Returns the runs of this worker whose ends were not acknowledged, living or not."""
        found: list[ProcessHandle] = []
        for folder in run_folders(self._settings.home):
            try:
                ours = folder.job().worker == self._worker
            except (OSError, ValueError, KeyError, TypeError):
                _log.warning("%s holds no job that this version can read", folder.path)
                continue
            if ours and folder.acknowledged_seconds() is None:
                found.append(ProcessHandle(folder, None))
        return found

    def clean_up(self, keep_seconds: float = _KEEP_SECONDS) -> None:
        """Removes folders of runs whose ends were acknowledged longer ago.

        Args:
            keep_seconds: Time for which to keep them.
        """
        remove_unfinished(self._settings.home)
        for folder in run_folders(self._settings.home):
            age = folder.acknowledged_seconds()
            if age is not None and age >= keep_seconds:
                folder.remove()

    def _job(self, lease: Lease, environment: Mapping[str, str]) -> Job:
        return Job(
            lease_id=lease.lease_id,
            run_id=lease.run_id,
            attempt=lease.attempt,
            fence=lease.fence,
            worker=self._worker,
            entrypoint=lease.entrypoint,
            parent_run_id=lease.parent_run_id,
            root_run_id=lease.root_run_id,
            from_tasks=lease.from_tasks,
            from_attempt=lease.from_attempt,
            code=lease.code,
            parameters=lease.parameters,
            environment=environment,
            process=ProcessJob(
                command=self._command(lease),
                directory=lease.template.get("working_directory") or str(self._directory),
                timeout_seconds=lease.timeout_seconds,
                grace_seconds=lease.grace_seconds,
                stop_seconds=lease.template.get("stop_seconds", STOP_SECONDS),
                contact_seconds=lease.lease_seconds if lease.on_lost_contact == "stop" else None,
            ),
        )

    def _command(self, lease: Lease) -> tuple[str, ...]:
        python = lease.template.get("python") or sys.executable
        folder = RunFolder.of(self._settings.home, lease.lease_id)
        # -P: what is in the working directory replaces no module that Towpath needs.
        return (python, "-P", "-m", "towpath._work.entry", str(folder.path))

    def _token_path(self, lease: Lease) -> Path | None:
        if not lease.token:
            return None
        return RunFolder.of(self._settings.home, lease.lease_id).token_path


def supervise(folder: RunFolder, environment: Mapping[str, str]) -> ProcessHandle:
    """Starts the run of a folder under a shim, and returns once its process is there.

    Args:
        folder: The run's folder, with its job.
        environment: Variables of the run's process.

    Raises:
        OSError: There is no shim, and the disk can't keep that.
    """
    # The shim gets the lock as it is: a worker that looks in between doesn't find it free.
    descriptor = folder.lock()
    supervisor = None
    try:
        # Another worker of this name may have adopted the folder meanwhile, as never started.
        if folder.end() is None:
            supervisor = _supervisor(folder, descriptor, environment)
    except OSError as error:
        folder.write_end(not_started(folder.lease_id, f"its shim can't be started: {error}"))
    finally:
        os.close(descriptor)
    return ProcessHandle(folder, supervisor)


def _supervisor(
    folder: RunFolder, lock: int, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Starts a shim, which gets the lock; returns once it has started the run, or has ended."""
    with (folder.path / _SHIM_LOG).open("ab") as log:
        supervisor = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-I", "-S", shim.PROGRAM, str(folder.path)],
            cwd="/",
            env=environment,
            stdin=lock,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    assert supervisor.stdout is not None
    with supervisor.stdout as said:
        said.read()
    return supervisor
