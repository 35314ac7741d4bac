"""Where stored results lie: bytes by name, each written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_UNFINISHED_SECONDS: Final = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What lies under a name."""

    data: bytes
    version: str
    """Changes with the data; empty where the place tells none."""


class Place(Protocol):
    """Bytes by name. Errors of the disk or the network are OSErrors."""

    shared: bool
    """Whether others than this user may write to it."""

    def uri_of(self, name: str) -> str:
        """Where the bytes of a name lie."""
        ...

    def read(self, name: str) -> Found | None:
        """The bytes of a name; None when there are none."""
        ...

    def create(self, name: str, data: bytes) -> bool:
        """Writes bytes unless the name has some; returns whether they were written."""
        ...

    def replace(self, name: str, data: bytes, version: str = "") -> bool:
        """Writes bytes in the place of others.

        Args:
            name: The name.
            data: The bytes.
            version: Version of the bytes that are replaced; empty for any.

        Returns:
            Whether they were written: the name has that version.
        """
        ...

    def delete(self, name: str, version: str = "") -> None:
        """Removes the bytes of a name, if there are some; of this version, where one is given."""
        ...

    def names(self) -> Iterator[str]:
        """All names."""
        ...


class Folder:
    """A folder of this machine, which only its user writes to."""

    shared = False

    def __init__(self, folder: Path) -> None:
        """Makes nothing yet.

        Args:
            folder: Made with the first bytes.
        """
        self._folder = folder

    def uri_of(self, name: str) -> str:
        """The file: URI of a name."""
        return self._path(name).as_uri()

    def read(self, name: str) -> Found | None:
        """The bytes of a name; None when there are none."""
        try:
            data = self._path(name).read_bytes()
        except FileNotFoundError:
            return None
        return Found(data=data, version=hashlib.sha256(data).hexdigest())

    def create(self, name: str, data: bytes) -> bool:
        """Writes bytes unless the name has some; returns whether they were written."""
        path = self._path(name)
        written = self._written(path, data)
        try:
            os.link(written, path)
        except FileExistsError:
            return False
        except OSError:
            # Some file systems have no links.
            written.replace(path)
        finally:
            written.unlink(missing_ok=True)
        return True

    def replace(self, name: str, data: bytes, version: str = "") -> bool:
        """Writes bytes in the place of others; of two that do so at once, the last one stays."""
        del version
        path = self._path(name)
        written = self._written(path, data)
        try:
            written.replace(path)
        except OSError:
            written.unlink(missing_ok=True)
            raise
        return True

    def delete(self, name: str, version: str = "") -> None:
        """Removes the bytes of a name, if there are some."""
        found = self.read(name) if version else None
        if found is None or found.version == version:
            self._path(name).unlink(missing_ok=True)

    def names(self) -> Iterator[str]:
        """All names; removes what a process left that ended as it wrote."""
        for path in self._folder.glob("??/*"):
            if path.suffix:
                with suppress(OSError):
                    if time.time() - path.stat().st_mtime > _UNFINISHED_SECONDS:
                        path.unlink()
            else:
                yield path.name

    def _path(self, name: str) -> Path:
        return self._folder / name[:2] / name

    def _written(self, path: Path, data: bytes) -> Path:
        """A new file with the bytes, beside the one that it is to be."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        written = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
        try:
            descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
        except OSError:
            written.unlink(missing_ok=True)
            raise
        return written
