"""The supervision of one run by a process of its own, with or without the worker.

The shim imports this package as `shim`, and the standard library besides.
"""

import os

from .supervisor import STARTED, Shim, main
from .system import (
    CONTAINED,
    CONTROL,
    EXIT,
    HEADER_BYTES,
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
    boot_id,
    processes,
    read_whole,
    since_boot,
    start_of,
    stat_of,
    write_whole,
)

__all__ = [
    "CONTAINED",
    "CONTROL",
    "EXIT",
    "HEADER_BYTES",
    "JOB",
    "LOCK",
    "OUTPUT",
    "OUTPUT_BYTES",
    "PROGRAM",
    "SHIM",
    "SIGNAL_BASE",
    "STARTED",
    "STOPPING",
    "STOPS",
    "VERSION",
    "Ring",
    "Shim",
    "boot_id",
    "main",
    "processes",
    "read_whole",
    "since_boot",
    "start_of",
    "stat_of",
    "write_whole",
]

PROGRAM = os.path.dirname(__file__)
"""What Python runs, as a folder, to have a shim."""
