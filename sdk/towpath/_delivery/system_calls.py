"""System calls as an outbox needs them."""

from __future__ import annotations

import ctypes
import errno
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_write: Final = ctypes.PyDLL(None, use_errno=True).write
_write.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t]
_write.restype = ctypes.c_ssize_t


def write_at_once(descriptor: int, data: bytes) -> int:
    """Writes to a file as `os.write` does, but keeps the interpreter's lock meanwhile.

    A write to a file takes microseconds. With the interpreter's lock given away, each of many
    threads that write then queues for that lock and for the writers' own; 16 threads submitted a
    third to half as many tasks a second.

    Returns:
        How many bytes were written, which can be fewer than there are.

    Raises:
        OSError: The system took none.
    """
    while (written := _write(descriptor, data, len(data))) < 0:
        number = ctypes.get_errno()
        if number != errno.EINTR:
            raise OSError(number, os.strerror(number))
    return int(written)


def force(path: Path) -> None:
    """Forces a file to the disk, or the names that are in a folder.

    Raises:
        OSError: It is not there, or the disk failed.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
