"""Supervises the process of one run, with or without its worker; the standard library only.

The shim starts the run in a session of its own, keeps
the last of its output, stops it on request or at its deadline, and writes how it ended.

Invariant: `exit.json` is written after the kernel has said that no child is left. A process whose
parent ends becomes a child of the shim (PR_SET_CHILD_SUBREAPER), also after setsid and a double
fork. So nothing of the run can be alive then. Systems without subreapers give no such proof.

No process is signalled by a bare number: a child keeps its number until the shim has waited for it,
and the run's own process is waited for only after the last signal to its group.

The lock of the folder is held for as long as the shim lives: the worker locks it and passes it on
as standard input, so it is never free in between.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
import traceback

from .system import (
    CONTAINED,
    CONTROL,
    EXIT,
    JOB,
    LOCK,
    OUTPUT,
    OUTPUT_BYTES,
    SHIM,
    SIGNAL_BASE,
    STOPPING,
    STOPS,
    VERSION,
    Ring,
    become_subreaper,
    boot_id,
    children,
    counted_oom_kills,
    monotonic,
    read_whole,
    reserve,
    since_boot,
    start_of,
    write_whole,
)

TYPE_CHECKING = False  # The module `typing` would take memory in each run's shim.
if TYPE_CHECKING:
    from typing import Any, Final

STARTED: Final = b"started\n"
_OF_PYTHON: Final = frozenset({signal.SIGPIPE, signal.SIGXFSZ})
"""Signals that Python itself ignores, to raise OSError, and restores in a subprocess."""
_READ_BYTES: Final = 256 * 1024
_LONGEST_WAIT: Final = 3600.0
_CONTACT_WAIT: Final = 2.0
"""Longest wait between looks at the time of the last contact: it passes in a suspended machine."""
_KILL_AGAIN_SECONDS: Final = 1.0


class Stop:
    """A stop to come: SIGTERM to the run's group at a time, and SIGKILL after the grace."""

    def __init__(self, at: float, grace_seconds: float, reason: str) -> None:
        """Plans a stop at a time of the monotonic clock."""
        self.at = at
        self.grace_seconds = grace_seconds
        self.reason = reason


class Shim:
    """The supervision of one run."""

    _note_path = ""
    _contained = False

    def __init__(self, folder: str, note: str = "", *, contained: bool = False) -> None:
        """Reads the job, and locks the folder.

        Args:
            folder: The run's folder.
            note: File that gets a copy of how the run ended, as the container's last message.
            contained: Whether it is the first process of a container: output is passed on to
                stdout, and its exit code is the run's.

        Raises:
            BlockingIOError: Another shim holds the lock.
        """
        self._folder = folder
        self._note_path = note
        self._contained = contained
        self._lock = _locked(self._path(LOCK))
        job = read_whole(self._path(JOB))
        assert job is not None
        self._lease_id: str = job["lease_id"]
        self._process: dict[str, Any] = job["process"]
        self._subreaper = become_subreaper()
        self._oom_kills = counted_oom_kills()
        self._ring = Ring(self._path(OUTPUT))
        # Its own write end keeps the fifo open between writers.
        self._control = os.open(self._path(CONTROL), os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._wake = _woken_by_signals()
        self._output: int | None = None
        self._said = b""
        self._pid = 0
        self._status: int | None = None
        self._stops: list[Stop] = []
        self._stops_read = 0
        self._fired: Stop | None = None
        self._kill_at: float | None = None
        self._killed = False
        self._contact = since_boot()

    def run(self) -> int:
        """Starts the run, follows it to its end, and writes how it ended.

        Returns:
            The exit code of a container: that of the run, 128 and the signal that ended it, or 2
            when it couldn't be started.
        """
        reserve(self._path(EXIT))
        self._note()
        try:
            self._start()
        except OSError as error:
            self._write_exit("NEVER_STARTED", reason="START_FAILED", message=str(error))
            return 2
        try:
            with contextlib.suppress(OSError):  # A full disk: the first note is there.
                self._note()
            if not self._contained:
                _say_started()
            self._follow()
        except BaseException:  # noqa: BLE001 - its own fault must not leave a run unsupervised
            traceback.print_exc()
        self._clear()
        self._write_end()
        assert self._status is not None
        return self._status if self._status >= 0 else SIGNAL_BASE - self._status

    def _path(self, name: str) -> str:
        return f"{self._folder}/{name}"

    def _note(self) -> None:
        """Writes who supervises and who runs, for a worker that finds the lock free."""
        write_whole(
            self._path(SHIM),
            {
                "version": VERSION,
                "pid": os.getpid(),
                "start": start_of(os.getpid()),
                "boot_id": boot_id(),
                "host": os.uname().nodename,
                "run_pid": self._pid or None,
                "run_start": start_of(self._pid) if self._pid else "",
                "time": time.time(),
            },
        )

    def _start(self) -> None:
        receive, send = os.pipe()
        try:
            started = subprocess.Popen(  # noqa: S603 - the worker's command
                self._process["command"],
                cwd=self._process["directory"],
                stdin=subprocess.DEVNULL,
                stdout=send,
                stderr=send,
                start_new_session=True,
            )
        finally:
            os.close(send)
        started.returncode = 0  # It is waited for here, not by the destructor.
        self._pid = started.pid
        self._output = receive
        os.set_blocking(receive, False)
        timeout, grace = self._process["timeout_seconds"], self._process["stop_seconds"]
        if timeout is not None:
            late = timeout + self._process["grace_seconds"]
            self._stops.append(Stop(time.monotonic() + late, grace, "DEADLINE"))
        self._read_stops()

    def _follow(self) -> None:
        """Returns when the run's process has ended."""
        while not self._has_ended():
            self._act()
            self._turn(self._next())

    def _next(self) -> float:
        """Seconds until there is something to do."""
        now = time.monotonic()
        times = [now + _LONGEST_WAIT]
        if self._kill_at is not None and not self._killed:
            times.append(self._kill_at)
        times += [stop.at for stop in self._stops]
        if self._process["contact_seconds"] is not None and self._fired is None:
            times.append(now + _CONTACT_WAIT)
        return max(0.0, min(times) - now)

    def _act(self) -> None:
        """Does what is due."""
        now = time.monotonic()
        limit, grace = self._process["contact_seconds"], self._process["stop_seconds"]
        if limit is not None and self._fired is None and since_boot() - self._contact > limit:
            self._stops.append(Stop(now, grace, "LOST_CONTACT"))
        for stop in self._stops:
            if stop.at <= now:
                self._terminate(stop, now)
        self._stops = [stop for stop in self._stops if stop.at > now]
        if self._kill_at is not None and now >= self._kill_at and not self._killed:
            self._killed = True
            self._signal_group(signal.SIGKILL)

    def _terminate(self, stop: Stop, now: float) -> None:
        if self._fired is None:
            self._fired = stop
            with contextlib.suppress(OSError):  # The run then doesn't know why it is to end.
                write_whole(self._path(STOPPING), {"reason": stop.reason})
            self._signal_group(signal.SIGTERM)
            self._signal_group(signal.SIGCONT)  # A stopped process would not see it.
        kill_at = now + stop.grace_seconds
        self._kill_at = kill_at if self._kill_at is None else min(self._kill_at, kill_at)

    def _signal_group(self, number: int) -> None:
        # The group can't belong to others: its leader is a child that was not waited for.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pid, number)

    def _turn(self, seconds: float) -> None:
        """Waits for output, messages or signals, at most so long, and takes them."""
        readable = [self._wake, self._control]
        if self._output is not None:
            readable.append(self._output)
        poll = select.poll()
        for descriptor in readable:
            poll.register(descriptor, select.POLLIN)
        for descriptor, _ in poll.poll(seconds * 1000):
            if descriptor == self._output:
                self._take_output()
            elif descriptor == self._control:
                self._listen()
            else:
                self._heed(os.read(self._wake, 512))

    def _take_output(self) -> bool:
        """Keeps what the run has written; returns whether there may be more."""
        assert self._output is not None
        try:
            data = os.read(self._output, _READ_BYTES)
        except BlockingIOError:
            return False
        if data:
            self._ring.write(data)
            if self._contained:
                _pass_on(data)
            return True
        os.close(self._output)
        self._output = None
        return False

    def _heed(self, signals: bytes) -> None:
        if signal.SIGTERM in signals:
            grace = self._process["stop_seconds"]
            self._stops.append(Stop(time.monotonic(), grace, "SHUTDOWN"))
        if signal.SIGCHLD in signals:
            for pid in children():
                if pid != self._pid:
                    os.waitpid(pid, os.WNOHANG)

    def _listen(self) -> None:
        """Takes messages: "stop", or "contact SECONDS" with the time since the boot."""
        *lines, self._said = (self._said + os.read(self._control, 65536)).split(b"\n")
        for line in lines:
            word, _, value = line.partition(b" ")
            if word == b"stop":
                self._read_stops()
            elif word == b"contact":
                with contextlib.suppress(ValueError):
                    self._contact = max(self._contact, min(float(value), since_boot()))

    def _read_stops(self) -> None:
        """Takes the requests to stop that it has not taken yet, each a line of a file."""
        try:
            with open(self._path(STOPS), "rb") as file:
                file.seek(self._stops_read)
                text = file.read()
        except FileNotFoundError:
            return
        lines = text[: text.rfind(b"\n") + 1].splitlines(keepends=True)
        self._stops_read += sum(map(len, lines))
        for line in lines:
            with contextlib.suppress(ValueError):
                at, grace = map(float, line.split())
                self._stops.append(Stop(monotonic(at), grace, "STOP_REQUESTED"))

    def _has_ended(self) -> bool:
        if self._status is None:
            if hasattr(os, "waitid"):
                flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
                result = os.waitid(os.P_PID, self._pid, flags)
                if result is not None:
                    code = result.si_status
                    self._status = code if result.si_code == os.CLD_EXITED else -code
            else:  # macOS before Python 3.13.
                pid, status = os.waitpid(self._pid, os.WNOHANG)
                if pid:
                    self._status = os.waitstatus_to_exitcode(status)
        return self._status is not None

    def _clear(self) -> None:
        """Ends what the run left behind; returns when the kernel says that nothing is left."""
        if self._status is not None and not self._killed:
            linger = time.monotonic() + self._process["linger_seconds"]
            linger = linger if self._kill_at is None else min(linger, self._kill_at)
            while (left := linger - time.monotonic()) > 0 and set(children()) - {self._pid}:
                self._turn(left)
        self._signal_group(signal.SIGKILL)
        while self._children_left():
            for pid in children():
                with contextlib.suppress(PermissionError):
                    os.kill(pid, signal.SIGKILL)
            self._turn(_KILL_AGAIN_SECONDS)
        taken = 0
        while self._output is not None and taken < OUTPUT_BYTES and self._take_output():
            taken += _READ_BYTES

    def _children_left(self) -> bool:
        """Waits for all children that have ended; returns whether others are left."""
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return True
                if pid == self._pid and self._status is None:
                    self._status = os.waitstatus_to_exitcode(status)
        except ChildProcessError:
            return False

    def _write_end(self) -> None:
        assert self._status is not None
        reason = "" if self._fired is None else self._fired.reason
        if self._status == -signal.SIGKILL and not self._killed:
            # The counter is of the cgroup, in which other runs may be.
            reason = "OUT_OF_MEMORY" if counted_oom_kills() > self._oom_kills else reason
        self._write_exit("KILLED" if self._status < 0 else "EXITED", reason=reason)

    def _write_exit(self, kind: str, *, reason: str, message: str = "") -> None:
        status = self._status
        end = {
            "version": VERSION,
            "lease_id": self._lease_id,
            "kind": kind,
            "exit_code": status if status is not None and status >= 0 else None,
            "signal": -status if status is not None and status < 0 else None,
            "pid": self._pid or None,
            "host": os.uname().nodename,
            "observed_time": time.time(),
            "escaped_children": 0 if self._subreaper or not self._pid else None,
            "reason": reason,
            "message": message,
        }
        write_whole(self._path(EXIT), end)
        if self._note_path:
            with contextlib.suppress(OSError), open(self._note_path, "w", encoding="utf-8") as file:
                file.write(json.dumps(end))


def _locked(path: str) -> int:
    """The folder's lock: the one on standard input, if that is the file, else a new one."""
    own = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if os.path.sameopenfile(0, own):
        os.close(own)
        own = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, 3)
        _discard(0)
    fcntl.flock(own, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return own


def _discard(descriptor: int) -> None:
    """Puts the null device in the place of a standard stream."""
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, descriptor)
    os.close(nothing)


def _woken_by_signals() -> int:
    """A descriptor that gives the numbers of the signals that come."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in signal.valid_signals():
        if number not in _OF_PYTHON and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)  # Else the run would ignore it, too.
    wake, send = os.pipe()
    for end in (wake, send):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(send, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # A handler, since a run would inherit that a signal is ignored.
        signal.signal(number, _pass)
    return wake


def _pass(number: int, frame: object) -> None:
    """Takes a signal, whose number the descriptor gives."""


def _say_started() -> None:
    """Tells the worker that the run has begun, and closes the pipe that it listens at."""
    with contextlib.suppress(OSError):
        os.write(1, STARTED)
    _discard(1)


def _pass_on(data: bytes) -> None:
    """Writes output to stdout, which nobody may read any more."""
    with contextlib.suppress(OSError):
        while data:
            data = data[os.write(1, data) :]


def main() -> None:
    """Supervises the run whose folder is the first argument.

    In a container the word "contained" follows, and the file for its last message.
    """
    folder, contained, note = (*sys.argv[1:], "", "")[:3]
    code = Shim(os.path.abspath(folder), note, contained=contained == CONTAINED).run()
    if contained == CONTAINED:
        sys.exit(code)
