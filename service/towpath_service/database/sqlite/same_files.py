"""Notices that a file of an open SQLite database was removed, or replaced by another one.

An open file outlives its name. Without this check, a server would go on to commit into a file that
no later process finds, and acknowledge what it wrote there. So the names are compared with the
files that were opened, before each transaction and again after its commit: what is acknowledged was
committed while the names still led to the open files.

Invariant: the write-ahead log and the index of it keep their files for as long as a connection is
open, so a changed one is the deed of someone else.
"""

from __future__ import annotations

import logging
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from towpath_service.core.errors import ServiceError

if TYPE_CHECKING:
    from pathlib import Path

RETRY_AFTER_SECONDS: Final = 5.0

_log = logging.getLogger(__name__)


class SameFiles:
    """The files of one database, as they were when they were opened.

    Safe to call from any thread.
    """

    def __init__(self, database: Path) -> None:
        """Knows no file yet.

        Args:
            database: The database's file; its logs lie beside the file that a link leads to.
        """
        self._database = str(database.absolute())
        self._logs: tuple[str, ...] = ()
        self._known: dict[str, tuple[int, int]] = {}
        self._logged = ""
        self._logging = threading.Lock()

    @property
    def known(self) -> bool:
        """Whether the database was opened."""
        return self._database in self._known

    def opened(self) -> None:
        """Takes the present file as the database's, on the first call."""
        if not self.known:
            real = os.path.realpath(self._database)
            self._logs = (f"{real}-wal", f"{real}-shm")
            self._known[self._database] = _identity(self._database)

    def begun(self, *, anew: bool) -> None:
        """Takes the present files as the write-ahead log's and its index's.

        Args:
            anew: Whether the connection that has begun a transaction is a new one; they may then be
                new, too.
        """
        for path in self._logs:
            if anew or path not in self._known:
                with suppress(FileNotFoundError):  # A file system without shared memory has none.
                    self._known[path] = _identity(path)

    def trouble(self) -> str:
        """Returns what has happened to one of the files, and logs each change once.

        Empty when all files are as they were.
        """
        found = self._changed()
        if bool(found) != bool(self._logged):
            self._log_once(found)
        return found

    def _changed(self) -> str:
        for path, identity in tuple(self._known.items()):
            try:
                if _identity(path) != identity:
                    return f"{path} was replaced by another file"
            except FileNotFoundError:
                return f"{path} was removed"
            except OSError as error:
                return f"{path} can't be looked at ({error.strerror})"
        return ""

    def check(self) -> None:
        """Refuses to work on files that no other process would find.

        Raises:
            ServiceError: OVERLOADED, until the files are back or the service is started again.
        """
        if self.trouble():
            raise ServiceError(
                reason="OVERLOADED",
                message="the server's database file was removed or replaced while it was in use:"
                " nothing is recorded until the server is restarted",
                metadata={"cause": "DatabaseFileChanged"},
                retry_after_seconds=RETRY_AFTER_SECONDS,
            )

    def _log_once(self, trouble: str) -> None:
        with self._logging:
            if bool(trouble) == bool(self._logged):
                return
            self._logged = trouble
        if trouble:
            _log.error(
                "%s while this server had it open. Calls are answered with UNAVAILABLE, and"
                " pipelines keep their reports. Put the file back, or restart the server: it then"
                " goes on with what is at %s, and begins an empty database if there is none.",
                trouble,
                self._database,
            )
        else:
            _log.warning("the files of the database %s are back: it is in use", self._database)


def _identity(path: str) -> tuple[int, int]:
    found = os.stat(path)  # noqa: PTH116 - a Path takes twice as long, for each transaction
    return found.st_dev, found.st_ino
