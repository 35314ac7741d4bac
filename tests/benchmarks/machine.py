"""The machine that a result comes from: a figure without it says little."""

from __future__ import annotations

import os
import platform
import tempfile
from pathlib import Path
from typing import Final

import psutil

MOUNTS: Final = Path("/proc/self/mountinfo")
BLOCK_DEVICES: Final = Path("/sys/dev/block")
VIRTUAL: Final = ("vd", "xvd")
"""Names of disks of virtual machines: whether they rotate isn't known in there."""


def describe_machine() -> str:
    """Processor, cores, memory, disk of temporary files, Python, system and its load, in a line."""
    load = ", ".join(f"{average:.2f}" for average in os.getloadavg())
    return "; ".join(
        [
            f"{processor_model()}, {os.cpu_count()} cores",
            f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
            f"disk {disk_of(Path(tempfile.gettempdir()))}",
            f"{platform.python_implementation()} {platform.python_version()}",
            f"{_system()} (kernel {platform.release()})",
            f"load {load} at the start",
        ]
    )


def processor_model() -> str:
    """What the processor calls itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or "processor unknown")


def disk_of(folder: Path) -> str:
    """File system and kind of device that hold a folder, as far as the system tells."""
    try:
        lines = MOUNTS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown"
    mounts = {fields[4]: fields for fields in map(str.split, lines)}
    resolved = folder.resolve()
    holder = next(path for path in (resolved, *resolved.parents) if str(path) in mounts)
    fields = mounts[str(holder)]
    file_system = fields[fields.index("-") + 1]
    return f"{file_system} on {_device(fields[2])}"


def _device(numbers: str) -> str:
    found = (BLOCK_DEVICES / numbers).resolve()
    for place in (found, found.parent):  # A partition's queue is its disk's.
        rotates = place / "queue" / "rotational"
        if rotates.exists() and place.name.startswith(VIRTUAL):
            return f"{place.name} (virtual)"
        if rotates.exists():
            turning = rotates.read_text(encoding="utf-8").strip() == "1"
            return f"{place.name} ({'rotating' if turning else 'not rotating'})"
    return "no disk" if numbers.startswith("0:") else "a device of unknown kind"


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()
