"""What a shim and its worker read and write alike: files of a run's folder, and facts of /proc."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import subprocess
import sys
import time

TYPE_CHECKING = False  # The module `typing` would take memory in each run's shim.
if TYPE_CHECKING:
    from typing import Any, Final

VERSION: Final = 1
JOB: Final = "job.json"
SHIM: Final = "shim.json"
EXIT: Final = "exit.json"
CONTAINED: Final = "contained"
"""Argument of a shim that is the first process of a container."""
SIGNAL_BASE: Final = 128
"""A container ends with this plus the signal that ended the run."""
OUTPUT: Final = "output"
LOCK: Final = "lock"
CONTROL: Final = "control"
STOPS: Final = "stops"
STOPPING: Final = "stopping.json"
OUTPUT_BYTES: Final = 1024 * 1024
HEADER_BYTES: Final = 8
_PR_SET_CHILD_SUBREAPER: Final = 36
_EXIT_BYTES: Final = 4096


def write_whole(path: str, value: dict[str, Any]) -> None:
    """Writes a JSON file so that readers see all of it or none, also after a power cut.

    Args:
        path: The file; the same with ".new" is used on the way.
        value: What it holds.

    Raises:
        OSError: The disk is full, or failed.
    """
    descriptor = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        text = json.dumps(value).encode()
        # Over what is there: for the run's end, room was reserved on a disk that may be full now.
        os.write(descriptor, text)
        os.ftruncate(descriptor, len(text))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(f"{path}.new", path)
    folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def reserve(path: str) -> None:
    """Makes room for what `write_whole` writes later."""
    with open(f"{path}.new", "wb", opener=_opened_privately) as file:
        file.write(b" " * _EXIT_BYTES)


def _opened_privately(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def read_whole(path: str) -> dict[str, Any] | None:
    """Reads what `write_whole` wrote; returns None when there is nothing, or no JSON."""
    try:
        with open(path, "rb") as file:
            value: dict[str, Any] = json.loads(file.read())
    except (OSError, ValueError):
        return None
    return value


def boot_id() -> str:
    """Returns the id of this start of the machine; empty on systems without one."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def stat_of(pid: int) -> tuple[int, int, int] | None:
    """Returns the parent, the session and the start (in ticks since the boot) of a process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except OSError:
        return None
    # The name before it is in parentheses, and may hold any others.
    fields = text[text.rindex(b")") + 2 :].split()
    return int(fields[1]), int(fields[3]), int(fields[19])


def start_of(pid: int) -> str:
    """Returns the start of a process, which tells it from others of its number; empty if unknown.

    It is in ticks since the boot, or where there is no /proc, the time that `ps` gives.
    """
    stat = stat_of(pid)
    if stat is not None:
        return str(stat[2])
    if sys.platform.startswith("linux"):
        return ""
    command = ["ps", "-o", "lstart=", "-p", str(pid)]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed
    return shown.stdout.strip()


def processes() -> list[int]:
    """Returns the processes of this machine; empty on systems without /proc."""
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []


def children() -> list[int]:
    """The children of this process that are not waited for yet."""
    own = os.getpid()
    try:
        with open(f"/proc/self/task/{own}/children", encoding="ascii") as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:  # A kernel without this list.
        return [pid for pid in processes() if (stat := stat_of(pid)) and stat[0] == own]


def become_subreaper() -> bool:
    if not sys.platform.startswith("linux"):
        return False
    return bool(ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def since_boot() -> float:
    """Returns seconds that all processes of a machine count alike.

    They go on while the machine is suspended, where there is such a clock.
    """
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def monotonic(time_since_boot: float) -> float:
    return time.monotonic() + (time_since_boot - since_boot())


def counted_oom_kills() -> int:
    """How many processes of this cgroup the kernel has killed for want of memory."""
    try:
        with open("/proc/self/cgroup", encoding="utf-8") as file:
            lines = file.read().splitlines()
    except OSError:
        return 0
    count = 0
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            count += oom_kills_of(f"/sys/fs/cgroup{path}/memory.events")
        elif "memory" in controllers.split(","):
            count += oom_kills_of(f"/sys/fs/cgroup/memory{path}/memory.oom_control")
    return count


def oom_kills_of(path: str) -> int:
    with contextlib.suppress(OSError), open(path, encoding="ascii") as file:
        for line in file:
            name, _, value = line.partition(" ")
            if name == "oom_kill":
                return int(value)
    return 0


class Ring:
    """The last bytes of a run's output, in a file that never grows beyond a header and them.

    The header is the count of all bytes written, little-endian; byte N is at N modulo the capacity
    behind it.
    """

    def __init__(self, path: str, capacity: int = OUTPUT_BYTES) -> None:
        """Makes the file.

        Args:
            path: The file.
            capacity: Bytes to keep.
        """
        self._capacity = capacity
        self._total = 0
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o600)

    def write(self, data: bytes) -> None:
        """Adds output; what a full disk can't hold is dropped."""
        kept = data[-self._capacity :]
        total = self._total + len(data)
        at = (total - len(kept)) % self._capacity
        first = kept[: self._capacity - at]
        with contextlib.suppress(OSError):
            os.pwrite(self._descriptor, first, HEADER_BYTES + at)
            if len(kept) > len(first):
                os.pwrite(self._descriptor, kept[len(first) :], HEADER_BYTES)
            os.pwrite(self._descriptor, total.to_bytes(HEADER_BYTES, "little"), 0)
            self._total = total
