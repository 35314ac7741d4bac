"""Places in the code at which a process kills or stops itself, when a test says so.

The code under test knows nothing of them: a process that is to have failpoints wraps the functions
of a list before it begins. A point is armed by a file of its name, which holds what happens; the
process that takes it renames the file, so each arming strikes once. The standard library only,
since shims load it, too.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pathlib import Path

Where = Literal["before", "after"]
Act = Literal["kill", "stop"]
_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


@dataclass(frozen=True, slots=True)
class Point:
    """A place right before or after a call of a function."""

    name: str
    where: Where
    module: str
    function: str
    """With its class, if it is a method."""


_STORAGE = "towpath_service.work.storage"
_APPLICATION = "towpath_service.work.application"
_SERVICE = "towpath_service"

SERVER = (
    Point("claim.picked", "after", f"{_STORAGE}.queueing", "SqlQueueRows.pick"),
    Point("claim.before_delete", "before", f"{_STORAGE}.dispatching", "SqlDispatch.grant"),
    Point("claim.after_delete", "after", f"{_STORAGE}.dispatching", "SqlDispatch.grant"),
    Point("claim.before_commit", "after", f"{_APPLICATION}.claiming", "_grant"),
    Point("claim.committed", "before", f"{_APPLICATION}.dispatcher", "Dispatcher._hand_over"),
    Point("grant.sent", "after", f"{_APPLICATION}.dispatcher", "Dispatcher._hand_over"),
    Point("attach.before_commit", "after", f"{_STORAGE}.worker_rows", "SqlWorkerRows.save"),
    Point("said.before_commit", "after", f"{_STORAGE}.lease_rows", "SqlLeaseRows.update"),
    Point("said.committed", "after", f"{_APPLICATION}.lease_work", "LeaseWork._commit_said"),
    Point("ended.before_commit", "after", f"{_STORAGE}.lease_rows", "SqlLeaseRows.remove"),
    Point("ended.before_ack", "after", f"{_APPLICATION}.lease_work", "LeaseWork._commit_ends"),
    Point("tick.read", "before", f"{_APPLICATION}.scheduler", "Scheduler._write"),
    Point("tick.slot_written", "after", f"{_STORAGE}.slots", "SqlScheduling.add_slots"),
    Point("tick.before_commit", "after", f"{_STORAGE}.slots", "SqlScheduling.move"),
    Point("tick.committed", "after", f"{_APPLICATION}.scheduler", "Scheduler._write"),
    Point(
        *("report.before_commit", "before", f"{_SERVICE}.runs.application.committer"),
        "Committer._commit",
    ),
    Point(
        *("report.before_ack", "before", f"{_SERVICE}.runs.application.committer"),
        "Committer._settle",
    ),
)
WORKER = (
    Point("worker.attached", "after", "towpath._work.worker", "Worker.attached"),
    Point("worker.granted", "before", "towpath._work.worker", "Worker.grant"),
    Point("worker.accepted", "after", "towpath._work.attachment", "Attachment._granted"),
    Point("worker.before_start", "before", "towpath._work.kinds.process", "ProcessKind.start"),
    Point("worker.folder_made", "before", "towpath._work.kinds.process", "supervise"),
    Point("worker.started", "after", "towpath._work.kinds.process", "ProcessKind.start"),
    Point("worker.start_told", "after", "towpath._work.worker", "Worker._began"),
    Point("worker.renewed", "after", "towpath._work.attachment", "Attachment._renew"),
    Point("worker.end_seen", "before", "towpath._work.worker", "Worker._over"),
    Point("worker.before_delivery", "before", "towpath._work.remains", "Remains.deliver"),
    Point("worker.delivered", "after", "towpath._work.remains", "Remains.deliver"),
    Point("worker.end_told", "after", "towpath._work.worker", "Worker._delivered"),
    Point("worker.before_forgetting", "before", "towpath._work.worker", "Worker._forget"),
    Point("worker.forgotten", "after", "towpath._work.worker", "Worker._forget"),
)
SHIM = (
    Point("shim.locked", "after", "towpath._work.shim", "Shim.__init__"),
    Point("shim.noted", "after", "towpath._work.shim", "Shim._note"),
    Point("shim.started", "after", "towpath._work.shim", "Shim._start"),
    Point("shim.follows", "after", "towpath._work.shim", "Shim._act"),
    Point("shim.run_ended", "before", "towpath._work.shim", "Shim._clear"),
    Point("shim.before_exit_json", "before", "towpath._work.shim", "Shim._write_exit"),
    Point("shim.after_exit_json", "after", "towpath._work.shim", "Shim._write_exit"),
)
RUN = (
    Point("run.prepared", "after", "towpath._work.entry", "prepare"),
    Point("run.loaded", "after", "towpath._work.entry", "load_flow"),
    Point("run.begun", "before", "towpath._work.entry", "run_leased"),
    Point("run.created", "after", "towpath._delivery.outbox", "Outbox.create"),
    Point("run.reported", "after", "towpath._delivery.outbox", "Outbox.transition"),
    Point("run.ended", "after", "towpath._work.entry", "run_leased"),
)
POINTS = (*SERVER, *WORKER, *SHIM, *RUN)


class Failpoints:
    """The armed points of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def arm(self, name: str, act: Act) -> None:
        """Has the next process that comes to a point kill or stop itself."""
        written = self._folder / f"new-{name}"
        written.write_text(act)
        written.rename(self._folder / name)

    def disarm(self, name: str) -> None:
        """Disarms a point that no process has reached."""
        (self._folder / name).unlink(missing_ok=True)

    def struck(self, name: str) -> int:
        """The process that was struck at a point; 0 while there is none. Told once."""
        for path in self._folder.glob(f"{name}.struck-*"):
            path.unlink()
            return int(path.name.rpartition("-")[2])
        return 0

    def reach(self, name: str) -> None:
        """Does what is armed at a point, to this process."""
        armed = self._folder / name
        try:
            act = armed.read_text()
            armed.rename(self._folder / f"{name}.struck-{os.getpid()}")
        except FileNotFoundError:
            return
        os.kill(os.getpid(), _SIGNALS[act])

    def install(self, *points: Point) -> None:
        """Wraps the functions of points, in this process."""
        for point in points:
            owner: Any = importlib.import_module(point.module)
            *parts, name = point.function.split(".")
            for part in parts:
                owner = getattr(owner, part)
            setattr(owner, name, self._wrapped(point, getattr(owner, name)))

    def _wrapped(self, point: Point, function: Any) -> Any:
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def waited(*arguments: Any, **named: Any) -> Any:
                if point.where == "before":
                    self.reach(point.name)
                result = await function(*arguments, **named)
                if point.where == "after":
                    self.reach(point.name)
                return result

            return waited

        @functools.wraps(function)
        def called(*arguments: Any, **named: Any) -> Any:
            if point.where == "before":
                self.reach(point.name)
            result = function(*arguments, **named)
            if point.where == "after":
                self.reach(point.name)
            return result

        return called
