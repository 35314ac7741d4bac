"""A producer's outbox: its reports on disk until they are acknowledged."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import platform
import struct
import threading
import time
from typing import TYPE_CHECKING, Final

import uuid_utils

from towpath._delivery import messages
from towpath._delivery.memory import MemoryWriter
from towpath._delivery.segments import SegmentWriter
from towpath._delivery.system_calls import force
from towpath._state_type import TERMINAL_STATES
from towpath._strikes import call_spared, spared

if TYPE_CHECKING:
    from pathlib import Path

    from towpath._delivery.reports import ArtifactReport, LogReport, RunReport, StateReport

META: Final = "meta.json"
LEASE_VARIABLE: Final = "TOWPATH_WORK_LEASE_ID"
"""Variable of a worker's run that names its lease."""
DEFAULT_WORKSPACE: Final = "default"
UPDATES: Final = "updates"
LOGS: Final = "logs"
AFTER: Final = struct.Struct("<Q")
"""Before each log line: number of the update that it follows."""

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def outboxes(home: Path) -> list[Path]:
    """The outbox folders of a home."""
    folder = home / "outbox"
    return sorted(path.parent for path in folder.glob(f"*/{META}"))


def lock_outbox(folder: Path) -> int | None:
    """Takes an outbox's lock; None while its owner lives. The caller closes the descriptor."""
    try:
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


class Outbox:
    """The reports of this process; a Reporter whose `flush` the sender gives."""

    def __init__(
        self,
        home: Path,
        *,
        target: str = "",
        workspace: str = "",
        sync_each: bool = False,
        in_memory: bool = False,
    ) -> None:
        """Makes the outbox's folder and locks it for the life of the process.

        On a full disk that waits, as reports do, until there is room.

        Args:
            home: The Towpath home.
            target: Address of the server that it is for; empty when none was configured.
            workspace: Id of the workspace that its runs are in; empty for the default one.
            sync_each: Whether each state is forced to the disk before the user's code goes on.
            in_memory: Keep reports in memory, where the home can't be used.
        """
        self.in_memory = in_memory
        self.workspace = workspace or DEFAULT_WORKSPACE
        self.producer_id = str(uuid_utils.uuid7())
        self.folder = home / "outbox" / self.producer_id
        self._meta = {
            "producer_id": self.producer_id,
            "pid": os.getpid(),
            "host": platform.node(),
            "target": target,
            "workspace": self.workspace,
            "lease_id": os.environ.get(LEASE_VARIABLE, ""),
            "started": time.time(),
        }
        self._lock_descriptor: int | None = None
        self._settled = in_memory
        self._settling = threading.Lock()
        self._settle()
        if sync_each:
            self._force_description()
        self.updates = (
            MemoryWriter()
            if in_memory
            else SegmentWriter(self.folder, UPDATES, sync_each=sync_each)
        )
        self.logs = MemoryWriter() if in_memory else SegmentWriter(self.folder, LOGS)
        self.open_runs: dict[str, int] = {}
        self.reported = threading.Event()

    @property
    def place(self) -> str:
        """Where reports wait, for messages."""
        return "memory" if self.in_memory else str(self.folder)

    def create(self, run: RunReport) -> None:
        """Reports a new run."""
        call_spared(self._append, messages.creation(run).SerializeToString())
        if run.state.state not in TERMINAL_STATES:
            self.open_runs[run.run_id] = run.state.attempt

    def transition(self, run_id: str, state: StateReport) -> None:
        """Reports that a run changed state."""
        call_spared(self._append, messages.transition(run_id, state).SerializeToString())
        if state.state in TERMINAL_STATES:
            self.open_runs.pop(run_id, None)

    def rename(self, run_id: str, display_name: str) -> None:
        """Reports another name to show for a run."""
        update = messages.amendment(run_id, display_name, time.time())
        call_spared(self._append, update.SerializeToString())

    def artifact(self, made: ArtifactReport) -> None:
        """Reports an artifact."""
        call_spared(self._append, messages.artifact(made).SerializeToString())

    def beat(self) -> None:
        """Reports that the process is alive, if it has an unfinished run."""
        run_id = next(iter(self.open_runs), None)
        if run_id is not None:
            call_spared(self._append, messages.heartbeat(run_id, time.time()).SerializeToString())

    def log(self, line: LogReport) -> None:
        """Reports a log line."""
        record = messages.log_record(line)
        # The lines follow their updates in order: both numbers are those of one moment.
        with spared():
            self.logs.append_numbered(
                lambda number: (
                    AFTER.pack(self.updates.last) + messages.log_sequence(number) + record
                )
            )
            if not self.reported.is_set():
                self.reported.set()

    def sync(self) -> None:
        """Forces the states to the disk, with all that it takes to find them there."""
        self._force_description()
        self.updates.sync()

    def close(self, *, remove: bool) -> None:
        """Closes the files; removes the folder when nothing waits in it any more."""
        self.updates.close()
        self.logs.close()
        if remove:
            remove_outbox(self.folder)
        self.let_go()

    def let_go(self) -> None:
        """Closes this process's copy of the lock."""
        if self._lock_descriptor is not None:
            os.close(self._lock_descriptor)
            self._lock_descriptor = None

    def _settle(self) -> None:
        with self._settling:
            if self._settled:
                return
            try:
                self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                if self._lock_descriptor is None:
                    self._lock_descriptor = lock_outbox(self.folder)
                (self.folder / META).write_text(json.dumps(self._meta), encoding="utf-8")
            except OSError as error:
                if error.errno not in _FULL:
                    raise
            else:
                self._settled = True

    def _force_description(self) -> None:
        """Forces the outbox's description to the disk: without it, no reader finds the frames."""
        # A failing disk is reported with the frames, which are on the same one.
        with contextlib.suppress(OSError):
            force(self.folder / META)
            force(self.folder)
            force(self.folder.parent)

    def _append(self, payload: bytes) -> None:
        if not self._settled:
            self._settle()
        self.updates.append(payload)
        if not self.reported.is_set():
            self.reported.set()


def remove_outbox(folder: Path) -> None:
    """Removes an outbox's folder."""
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            path.unlink(missing_ok=True)
        folder.rmdir()


def workspace_of(folder: Path) -> str:
    """Name of the workspace that an outbox's runs are in."""
    try:
        meta = json.loads((folder / META).read_text(encoding="utf-8"))
        workspace = str(meta["workspace"])
    except (OSError, ValueError, KeyError, TypeError):
        workspace = DEFAULT_WORKSPACE
    return f"workspaces/{workspace}"
