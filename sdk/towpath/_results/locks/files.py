"""Locks between the processes of a machine, as files that their holders keep locked.

A holder has an open file that it holds by `flock`, which the system ends with the process: the lock
of a process that was killed is free at once. What stands in the file says who has it, and until
when. Each look and each change is made under the lock of a file for the whole folder, which is held
for a moment only.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from towpath import _strikes
from towpath._forks import in_child
from towpath._results.locks.base import BaseLockManager, check_holder

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_FIRST_REST_SECONDS: Final = 0.005
_LONGEST_REST_SECONDS: Final = 0.1
_open_files: Final[dict[Path, int]] = {}
"""The locks that this process has: descriptors by file."""


def _close_in_child() -> None:
    """A forked child has its parent's descriptors, and with them would keep its locks."""
    for descriptor in _open_files.values():
        with suppress(OSError):
            os.close(descriptor)
    _open_files.clear()


in_child(_close_in_child)


@dataclass(frozen=True, slots=True)
class _Held:
    """A lock that a holder has."""

    holder: str
    ends: float | None
    """When it is free again, seconds since the Unix epoch; None for never."""


class FileSystemLockManager(BaseLockManager):
    """Locks between the processes of this machine, in a folder.

    Its methods are those of `towpath.locking.LockManager`; they raise OSError where the folder
    can't be used. The lock of a process that ends is free, however it ends. Processes of several
    machines may share a folder whose file system carries `flock` between them.

    Attributes:
        lock_files_directory: The folder.
    """

    def __init__(self, lock_files_directory: Path | str) -> None:
        """Makes nothing yet.

        Args:
            lock_files_directory: The folder; it is made with the first lock.
        """
        self.lock_files_directory = Path(lock_files_directory).expanduser().absolute()

    def release_lock(self, key: str, holder: str) -> None:
        """As `LockManager.release_lock`."""
        path = self._path_of(key)
        with self._alone():
            held = _look(path)
            check_holder(key, holder, None if held is None else held.holder)
            _free(path)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, FileSystemLockManager)
            and other.lock_files_directory == self.lock_files_directory
        )

    def __hash__(self) -> int:
        return hash(self.lock_files_directory)

    def __repr__(self) -> str:
        return f"FileSystemLockManager({str(self.lock_files_directory)!r})"

    def _path_of(self, key: str) -> Path:
        # Keys are texts of any kind and length.
        return self.lock_files_directory / f"{hashlib.sha256(key.encode()).hexdigest()}.lock"

    def _holder_of(self, key: str) -> str | None:
        path = self._path_of(key)
        if not path.exists():
            return None
        with self._alone():
            held = _look(path)
        return None if held is None else held.holder

    def _take(self, key: str, holder: str, hold_timeout: float | None) -> bool:
        path = self._path_of(key)
        with self._alone():
            held = _look(path)
            if held is not None:
                return held.holder == holder
            _free(path)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                ends = None if hold_timeout is None else time.time() + hold_timeout
                text: dict[str, Any] = {"holder": holder, "ends": ends, "pid": os.getpid()}
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.write(descriptor, json.dumps(text).encode())
            except OSError:
                path.unlink(missing_ok=True)
                os.close(descriptor)
                raise
            _open_files[path] = descriptor
        return True

    def _until(self, key: str, done: Callable[[], bool], timeout: float | None) -> bool:
        del key
        deadline = None if timeout is None else time.monotonic() + timeout
        for rest in _rests():
            if done():
                return True
            left = rest if deadline is None else deadline - time.monotonic()
            if left <= 0:
                return False
            _strikes.wait(threading.Event(), min(rest, left))
        raise AssertionError  # pragma: no cover - there is always another rest

    async def _until_async(self, key: str, done: Callable[[], bool], seconds: float | None) -> bool:
        del key
        deadline = None if seconds is None else time.monotonic() + seconds
        for rest in _rests():
            if done():
                return True
            left = rest if deadline is None else deadline - time.monotonic()
            if left <= 0:
                return False
            await asyncio.sleep(min(rest, left))
        raise AssertionError  # pragma: no cover - there is always another rest

    @contextmanager
    def _alone(self) -> Generator[None]:
        """While no other process or thread looks at the folder's locks."""
        folder = self.lock_files_directory
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(folder / ".guard", flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            _unlock(descriptor)


def _look(path: Path) -> _Held | None:
    """Who has a lock; None where its file is not there, its process is gone, or its time over."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            text = json.loads(os.read(descriptor, 1 << 16))
        else:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            return None
    finally:
        os.close(descriptor)
    held = _Held(text["holder"], text["ends"])
    return None if held.ends is not None and held.ends <= time.time() else held


def _unlock(descriptor: int) -> None:
    """Ends a lock also where a child was forked meanwhile, which has the descriptor, too."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def _free(path: Path) -> None:
    """Frees a lock. The next holder makes a new file: this one may still be open elsewhere."""
    path.unlink(missing_ok=True)
    descriptor = _open_files.pop(path, None)
    if descriptor is not None:
        os.close(descriptor)


def _rests() -> Generator[float]:
    """Seconds between looks at a lock: no event tells that another process has freed it."""
    rest = _FIRST_REST_SECONDS
    while True:
        yield rest
        rest = min(2 * rest, _LONGEST_REST_SECONDS)
