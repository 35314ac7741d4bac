"""The folder of a run on its machine, `HOME/work/LEASE_ID`, shared by worker, shim and run.

| file | written by | what it holds |
| --- | --- | --- |
| `job.json` | worker | what is to run, and how; values of secrets are never in it |
| `token` | worker | the run's token, replaced before it expires |
| `lock` | shim | locked for as long as the shim lives |
| `control` | worker | fifo on which the shim takes messages |
| `stops` | worker | requests to stop, a line each: time since the boot, grace |
| `stopping.json` | shim | why it has sent SIGTERM |
| `shim.json` | shim | its process and the run's |
| `output` | shim | the last MiB of stdout and stderr |
| `shim.log` | shim | its own faults |
| `exit.json` | shim | how the run ended |
| `acknowledged` | worker | there when the service knows that |
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, NewType, Self

from towpath._work import shim
from towpath._work.code_sources import CodeSource
from towpath._work.proof import RunEnd, StopProof

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LeaseId = NewType("LeaseId", str)

STOP_SECONDS: Final = 10.0
"""Time between SIGTERM and SIGKILL."""
_WORK: Final = "work"
_TOKEN: Final = "token"  # noqa: S105 - a file's name
_ACKNOWLEDGED: Final = "acknowledged"
_UNFINISHED_SECONDS: Final = 3600.0
_LEASE_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessJob:
    """What the shim needs to know of a run.

    Attributes:
        command: Program and arguments; they are seen in lists of processes.
        directory: Folder to start in.
        timeout_seconds: Longest time that the run may take; None for no limit.
        grace_seconds: Time after the timeout in which the run may end by itself.
        stop_seconds: Time between SIGTERM and SIGKILL.
        linger_seconds: Time for processes that the run leaves behind to end by themselves.
        contact_seconds: Time without `RunFolder.note_contact` after which the shim stops the run;
            None for a run that goes on without.
    """

    command: tuple[str, ...]
    directory: str
    timeout_seconds: float | None = None
    grace_seconds: float = 30.0
    stop_seconds: float = STOP_SECONDS
    linger_seconds: float = 2.0
    contact_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to run, as `job.json` holds it.

    Attributes:
        lease_id: Lease under which it runs.
        run_id: The run.
        attempt: Its attempt, from 1.
        fence: Fence of the lease.
        worker: Name of the worker that holds the lease; no other adopts the run.
        entrypoint: The flow: "path/file.py:flow" or "package.module:flow".
        parent_run_id: Run that it is a child of; empty for none.
        root_run_id: Outermost run around it; empty when it is itself.
        from_tasks: Tasks that are to run again even if their results are kept.
        from_attempt: The first attempt that was to run them again.
        process: What the shim needs of it.
        code: Where the code is from.
        parameters: Arguments of the flow, as JSON values; "{{ secrets.NAME }}" stands for a secret,
            "{{ variables.NAME }}" for a variable.
        environment: Variables whose values name secrets; the run resolves them itself.
    """

    lease_id: str
    run_id: str
    attempt: int
    fence: int
    worker: str
    entrypoint: str
    process: ProcessJob
    parent_run_id: str = ""
    root_run_id: str = ""
    from_tasks: tuple[str, ...] = ()
    from_attempt: int = 0
    code: CodeSource = field(default_factory=CodeSource)
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    environment: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Self:
        """Reads what `asdict` made of a job and JSON kept of it; passes over later fields."""
        process: dict[str, Any] = {
            **_known(ProcessJob, value["process"]),
            "command": tuple(value["process"]["command"]),
        }
        whole: dict[str, Any] = {
            **_known(cls, value),
            "process": ProcessJob(**process),
            "code": CodeSource.of(value["code"]),
            "from_tasks": tuple(value.get("from_tasks", ())),
        }
        return cls(**whole)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShimState:
    """Who supervises a run, and its process.

    Attributes:
        pid: The shim.
        boot_id: Start of the machine that its numbers of processes belong to; empty if unknown.
        host: Name of the machine.
        run_pid: The run's process, which leads its session; None before it is known.
        run_start: Its start, as `shim.start_of` gives it.
    """

    pid: int
    boot_id: str
    host: str
    run_pid: int | None
    run_start: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """The last output of a run.

    Attributes:
        data: Its bytes, stdout and stderr in the order in which they came.
        dropped_bytes: Number of bytes before them.
    """

    data: bytes = field(repr=False)
    dropped_bytes: int


class RunFolder:
    """The folder of one run; safe to use from any thread."""

    def __init__(self, path: Path) -> None:
        """Names the folder; see `create`."""
        self.path = path
        self.lease_id = LeaseId(path.name)

    @classmethod
    def of(cls, home: Path, lease_id: str) -> Self:
        """Names the folder of a lease.

        Raises:
            ValueError: The lease id can't name a folder.
        """
        if _LEASE_ID.fullmatch(lease_id) is None:
            raise ValueError(f"{lease_id!r} is no id of a lease: it can't name a folder")
        return cls(home / _WORK / lease_id)

    @classmethod
    def create(cls, home: Path, job: Job, token: str = "") -> Self:
        """Makes the folder of a run that is to start.

        Args:
            home: The Towpath home.
            job: What is to run.
            token: The run's token; empty without identity.

        Raises:
            ValueError: The lease id can't name a folder.
            FileExistsError: The folder is there, so the lease was started before.
            OSError: The home can't be written to.
        """
        folder = cls.of(home, job.lease_id)
        folder.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if folder.path.exists() and not (folder.path / shim.JOB).exists():
            folder.remove()  # A worker ended as it made it, so it has started nothing.
        folder.path.mkdir(mode=0o700)
        os.mkfifo(folder.path / shim.CONTROL, 0o600)
        if token:
            folder.write_token(token)
        # Last: a folder with a job is whole.
        shim.write_whole(folder._file(shim.JOB), asdict(job))  # noqa: SLF001 - its own
        return folder

    @property
    def token_path(self) -> Path:
        """File of the run's token."""
        return self.path / _TOKEN

    def job(self) -> Job:
        """Returns the job.

        Raises:
            FileNotFoundError: There is none: the worker ended while it made the folder.
        """
        value = shim.read_whole(self._file(shim.JOB))
        if value is None:
            raise FileNotFoundError(self._file(shim.JOB))
        return Job.of(value)

    def write_token(self, token: str) -> None:
        """Replaces the run's token; a reader sees the old one or the new one.

        Raises:
            OSError: The disk is full, or failed.
        """
        written = self.path / f"{_TOKEN}.new"
        descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(token)
        written.replace(self.token_path)

    def shim_state(self) -> ShimState | None:
        """Returns who supervises the run; None before a shim was there, which starts nothing."""
        value = shim.read_whole(self._file(shim.SHIM))
        if value is None:
            return None
        return ShimState(
            pid=value["pid"],
            boot_id=value["boot_id"],
            host=value["host"],
            run_pid=value["run_pid"],
            run_start=value["run_start"],
        )

    def end(self) -> RunEnd | None:
        """Returns how the run ended; None while nobody has written that."""
        value = shim.read_whole(self._file(shim.EXIT))
        if value is None:
            return None
        names = StopProof.__dataclass_fields__
        return RunEnd(
            proof=StopProof(**{name: value[name] for name in names if name in value}),
            reason=value["reason"],
            message=value["message"],
        )

    def write_end(self, end: RunEnd) -> None:
        """Writes how a run ended that has no shim any more; the caller holds the lock.

        Raises:
            OSError: The disk is full, or failed.
        """
        value = {**asdict(end.proof), "reason": end.reason, "message": end.message}
        shim.write_whole(self._file(shim.EXIT), {"version": shim.VERSION, **value})

    def output(self, limit_bytes: int = shim.OUTPUT_BYTES) -> Output:
        """Returns the last output; while the run writes, the oldest bytes may be newer ones.

        Args:
            limit_bytes: Most bytes to return.
        """
        data, total = read_ring(self.path / shim.OUTPUT)
        data = data[-limit_bytes:] if limit_bytes else b""
        return Output(data=data, dropped_bytes=total - len(data))

    def request_stop(
        self, *, delay_seconds: float = 0.0, grace_seconds: float = STOP_SECONDS
    ) -> None:
        """Asks the shim to stop the run; several requests together stop it at the earliest time.

        The shim follows it also when it begins after the request, or when this worker ends.

        Args:
            delay_seconds: Time in which the run may end by itself.
            grace_seconds: Time between SIGTERM and SIGKILL.

        Raises:
            OSError: The disk is full, or failed.
        """
        request = b"%.3f %.3f\n" % (shim.since_boot() + delay_seconds, grace_seconds)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(self.path / shim.STOPS, flags, 0o600)
        try:
            os.write(descriptor, request)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self._send(b"stop\n")

    def stop_reason(self) -> str:
        """Returns why the shim has sent SIGTERM; empty when it has not."""
        value = shim.read_whole(self._file(shim.STOPPING))
        return "" if value is None else str(value["reason"])

    def note_contact(self, time_since_boot: float) -> None:
        """Tells the shim when the service was last known to hold the lease for this run.

        Args:
            time_since_boot: When the confirmed renewal was sent, by `shim.since_boot()`.
        """
        self._send(b"contact %.3f\n" % time_since_boot)

    def lock(self) -> int:
        """Waits until no shim lives, and locks the folder; the caller closes the descriptor.

        The wait takes no time of the processor.
        """
        descriptor = self._lock_file()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def lock_nowait(self) -> int | None:
        """Locks the folder as `lock` does; None while its shim lives."""
        descriptor = self._lock_file()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor

    def acknowledge(self) -> None:
        """Notes that the service knows how the run ended."""
        (self.path / _ACKNOWLEDGED).touch()

    def acknowledged_seconds(self) -> float | None:
        """Returns the seconds since the end was acknowledged; None if it was not."""
        try:
            return max(0.0, time.time() - (self.path / _ACKNOWLEDGED).stat().st_mtime)
        except FileNotFoundError:
            return None

    def remove(self) -> None:
        """Removes the folder of a run that has ended."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _lock_file(self) -> int:
        return os.open(self.path / shim.LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _file(self, name: str) -> str:
        return str(self.path / name)

    def _send(self, message: bytes) -> None:
        """Sends a message to the shim; one that isn't there yet, or any more, needs none."""
        with suppress(FileNotFoundError, OSError):
            descriptor = os.open(
                self.path / shim.CONTROL, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC
            )
            try:
                os.write(descriptor, message)
            finally:
                os.close(descriptor)


def _known(kind: type[Any], value: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a value that this version has: its writer may be a later one."""
    return {name: value[name] for name in kind.__dataclass_fields__ if name in value}


def run_folders(home: Path) -> list[RunFolder]:
    """Returns the folders of a home's runs, those that have ended included."""
    return [RunFolder(path.parent) for path in sorted((home / _WORK).glob(f"*/{shim.JOB}"))]


def remove_unfinished(home: Path) -> None:
    """Removes folders without a job that are an hour old: their worker ended as it made them."""
    for path in (home / _WORK).glob("*/"):
        with suppress(FileNotFoundError):
            old = time.time() - path.stat().st_mtime > _UNFINISHED_SECONDS
            if old and not (path / shim.JOB).exists():
                shutil.rmtree(path, ignore_errors=True)


def read_ring(path: Path, capacity: int = shim.OUTPUT_BYTES) -> tuple[bytes, int]:
    """Returns the bytes that a shim's ring holds, in order, and the count of all written."""
    try:
        with path.open("rb") as file:
            total = int.from_bytes(file.read(shim.HEADER_BYTES), "little")
            data = file.read(capacity)
    except OSError:
        return b"", 0
    at = total % capacity if total > capacity else 0
    return data[at:] + data[:at], total
