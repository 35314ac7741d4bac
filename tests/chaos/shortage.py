"""Takes the room on a database's disk away, and gives it back.

Two ways, since a machine that runs tests may not let them mount anything. `FileLimits` works
everywhere: no file of the server may grow beyond a size, so that tables can't be extended and all
else goes on. `SmallDisk` is a file system in memory that is really full, for whatever is written to
it, the write-ahead log too. It lives in a mount namespace of its own, held by a process that ends
with this one, and is reached through /proc: nothing stays behind, whatever happens to the tests.
"""

from __future__ import annotations

import errno
import resource
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from tests.postgres import postgres_for_tests
from tests.postgres.server import unprivileged_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.postgres import PostgresServer

    Way = Callable[[], AbstractContextManager[tuple[PostgresServer, "FileLimits | SmallDisk"]]]

MEBI = 1 << 20
# Segments of the write-ahead log are as small as they can be: a disk has room for several, and a
# file may be as large as one of them.
INITDB = ("--wal-segsize=1",)
SETTINGS = {"max_wal_size": "8MB", "min_wal_size": "2MB"}
DISK_BYTES = 96 * MEBI

_LIMITING = """
import contextlib, os, resource, sys

most, uid, gid, *pids = map(int, sys.argv[1:])
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
for pid in pids:
    with contextlib.suppress(ProcessLookupError):
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, hard))
"""

_HOLDER = """
import ctypes, os, sys

NEW_MOUNTS, NEW_USERS, ALL_OF_IT_PRIVATE, DUMPABLE = 0x20000, 0x10000000, 0x44000, 4
folder, size, uid, gid = sys.argv[1].encode(), *map(int, sys.argv[2:])
libc = ctypes.CDLL(None, use_errno=True)

def check(result):
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

is_root = os.geteuid() == 0
check(libc.unshare(NEW_MOUNTS if is_root else NEW_MOUNTS | NEW_USERS))
if not is_root:
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"),
                       ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
check(libc.mount(b"none", b"/", None, ALL_OF_IT_PRIVATE, None))
check(libc.mount(b"tmpfs", folder, b"tmpfs", 0, b"mode=777,size=%d" % size))
if is_root:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    check(libc.prctl(DUMPABLE, 1, 0, 0, 0))
print("ready", flush=True)
sys.stdin.read()
"""


class FileLimits:
    """No file of a server's processes may grow beyond a segment of the write-ahead log."""

    sign = "File too large"

    def __init__(self, postgres: PostgresServer) -> None:
        self._postgres = postgres

    def begin(self) -> None:
        """Limits all processes, and those that they start."""
        self._limit(MEBI)

    def end(self) -> None:
        """Lifts the limits."""
        self._limit(resource.RLIM_INFINITY)

    def _limit(self, most_bytes: int) -> None:
        postmaster = psutil.Process(self._postgres.pid)
        # First the one that starts the others, so that none is missed.
        _set_limit(most_bytes, [postmaster.pid])
        _set_limit(most_bytes, [child.pid for child in postmaster.children()])


def _set_limit(most_bytes: int, pids: list[int]) -> None:
    # Root itself may lack the right to; a user may limit whatever is his.
    arguments = (str(number) for number in (most_bytes, *unprivileged_ids(), *pids))
    subprocess.run([sys.executable, "-I", "-S", "-c", _LIMITING, *arguments], check=True)


class SmallDisk:
    """A disk for a server's data, which something else fills to the last byte."""

    sign = "No space left on device"

    def __init__(self, folder: Path) -> None:
        """Mounts it.

        Args:
            folder: Where its holder mounts it; here nothing is seen there.

        Raises:
            OSError: This machine doesn't let it.
        """
        sizes = (str(number) for number in (DISK_BYTES, *unprivileged_ids()))
        self._holder = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _HOLDER, folder, *sizes],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self._holder.stdout is not None
        if not self._holder.stdout.readline():
            _, told = self._holder.communicate()
            raise OSError(errno.EPERM, f"nothing can be mounted here: {told.decode()[-200:]}")
        self.folder = Path(f"/proc/{self._holder.pid}/root{folder}")

    def begin(self) -> None:
        """Fills it."""
        with (self.folder / "ballast").open("wb", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(bytes(MEBI))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def end(self) -> None:
        """Removes what filled it."""
        (self.folder / "ballast").unlink()

    def close(self) -> None:
        """Gives the disk up, with what is on it."""
        self._holder.communicate()


@contextmanager
def limited_files() -> Iterator[tuple[PostgresServer, FileLimits]]:
    """A server whose files can be kept from growing."""
    with postgres_for_tests(SETTINGS, initdb=INITDB) as postgres:
        yield postgres, FileLimits(postgres)


@contextmanager
def small_disk() -> Iterator[tuple[PostgresServer, SmallDisk]]:
    """A server on a disk of its own."""
    with tempfile.TemporaryDirectory(prefix="towpath-disk-") as folder:
        Path(folder).chmod(0o755)
        disk = SmallDisk(Path(folder))
        try:
            with postgres_for_tests(SETTINGS, initdb=INITDB, data=disk.folder / "data") as postgres:
                yield postgres, disk
        finally:
            disk.close()


def ways() -> list[Way]:
    """The ways that this machine allows."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            SmallDisk(Path(folder)).close()
        except OSError:
            return [limited_files]
    return [limited_files, small_disk]
