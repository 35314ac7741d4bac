"""System calls as an outbox needs them."""

from __future__ import annotations

import ctypes
import errno
import os
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def _checked(written: int, _: object, arguments: tuple[int, bytes, int]) -> int:
    """What came of a write.

    Raises:
        OSError: The system took none.
    """
    while written < 0:
        number = ctypes.get_errno()
        if number != errno.EINTR:
            raise OSError(number, os.strerror(number))
        written = _write_again(*arguments)
    return written


def _write_function() -> Any:
    function = ctypes.PyDLL(None, use_errno=True)["write"]  # Another object each time.
    function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t]
    function.restype = ctypes.c_ssize_t
    return function


_write_again: Final = _write_function()
write_at_once: Final[Callable[[int, bytes, int], int]] = _write_function()
"""Writes so many bytes to a descriptor as `os.write` does, but keeps the interpreter's lock.

A write to a file takes microseconds. With the interpreter's lock given away, each of many threads
that write then queues for that lock and for the writers' own; 16 threads submitted a third to half
as many tasks a second.

It is a function of C, which begins without a step of Python's: no exception and no signal handler
comes between the look before the call and the write. Returns how many bytes were written, which
can be fewer than there are; raises OSError when the system took none.
"""
cast("Any", write_at_once).errcheck = _checked


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
