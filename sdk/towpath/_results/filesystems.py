"""Where results are kept, as options name it: folders, addresses of buckets, and file systems."""

from __future__ import annotations

import asyncio
import os
import uuid
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from towpath._callables import returns_coroutine
from towpath._results.buckets import SCHEMES
from towpath._results.places import Folder, Found
from towpath.exceptions import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from towpath._results.places import Place

_KINDS: Final = (*SCHEMES, "file")


class WritableFileSystem(ABC):
    """A place for files; subclass it for a `result_storage` of your own.

    Others may write to it, so that pickles are kept there only if they are signed, or trusted by a
    setting. Of two runs that store under one key at once, the last one's result may stay.
    """

    @abstractmethod
    def read_path(self, path: str) -> bytes:
        """Returns the content of a file.

        Args:
            path: Its path in this place.

        Raises:
            FileNotFoundError: There is none.
            OSError: It can't be read.
        """

    @abstractmethod
    def write_path(self, path: str, content: bytes) -> object:
        """Writes a file, whole or not at all, in the place of an earlier one.

        Args:
            path: Its path in this place.
            content: Its content.

        Raises:
            OSError: It can't be written.
        """


@dataclass(frozen=True)
class LocalFileSystem(WritableFileSystem):
    """A folder of this machine.

    Attributes:
        basepath: The folder; None for the one that the process works in.
    """

    basepath: Path | str | None = None

    @property
    def folder(self) -> Path:
        """The folder, as an absolute path."""
        return Path(self.basepath or ".").expanduser().resolve()

    def read_path(self, path: str) -> bytes:
        """Returns the content of a file.

        Args:
            path: Its path, within the folder.

        Raises:
            ValueError: The path leads out of the folder.
            FileNotFoundError: There is no such file.
            OSError: It can't be read.
        """
        return self._within(path).read_bytes()

    def write_path(self, path: str, content: bytes) -> str:
        """Writes a file, whole or not at all, in the place of an earlier one.

        Args:
            path: Its path, within the folder; folders on the way are made.
            content: Its content.

        Returns:
            Its absolute path.

        Raises:
            ValueError: The path leads out of the folder.
            OSError: It can't be written.
        """
        whole = self._within(path)
        whole.parent.mkdir(parents=True, exist_ok=True)
        written = whole.with_name(f".{whole.name}.{uuid.uuid4().hex}")
        try:
            written.write_bytes(content)
            os.replace(written, whole)  # noqa: PTH105 - as one step
        except OSError:
            written.unlink(missing_ok=True)
            raise
        return str(whole)

    async def aread_path(self, path: str) -> bytes:
        """As `read_path`, in a thread."""
        return await asyncio.to_thread(self.read_path, path)

    async def awrite_path(self, path: str, content: bytes) -> str:
        """As `write_path`, in a thread."""
        return await asyncio.to_thread(self.write_path, path, content)

    def _within(self, path: str) -> Path:
        folder = self.folder
        whole = (folder / Path(path).expanduser()).resolve()
        if not whole.is_relative_to(folder):
            raise ValueError(f"the path {path!r} leads out of the folder {folder}")
        return whole


class _Files:
    """Results in a file system of the user's."""

    shared = True

    def __init__(self, files: WritableFileSystem) -> None:
        self._files = files

    def uri_of(self, name: str) -> str:
        kind = type(self._files)
        return f"{kind.__module__}.{kind.__qualname__}:{name}"

    def read(self, name: str) -> Found | None:
        try:
            data = self._files.read_path(name)
        except FileNotFoundError:
            return None
        return Found(data=data, version="") if data else None

    def create(self, name: str, data: bytes) -> bool:
        return self.read(name) is None and self.replace(name, data)

    def replace(self, name: str, data: bytes, version: str = "") -> bool:
        del version
        self._files.write_path(name, data)
        return True

    def delete(self, name: str, version: str = "") -> None:
        del version
        self._files.write_path(name, b"")

    def names(self) -> Iterator[str]:
        return iter(())


def checked(storage: Any, option: str) -> Path | str | WritableFileSystem:
    """Returns a storage as it is kept in options.

    Raises:
        DefinitionError: It is no storage.
    """
    if isinstance(storage, WritableFileSystem):
        if returns_coroutine(storage.read_path) or returns_coroutine(storage.write_path):
            raise DefinitionError(
                f"read_path and write_path of {option} are ordinary functions, not async ones"
            )
        return storage
    if isinstance(storage, str) and "://" in storage and urlsplit(storage).scheme in _KINDS:
        return storage
    if not isinstance(storage, str | Path) or "://" in str(storage):
        raise DefinitionError(
            f"{option} is a folder, an address that begins with one of"
            f" {', '.join(f'{kind}://' for kind in _KINDS)}, or an object of towpath.filesystems,"
            f" not {storage!r}"
        )
    return Path(storage).expanduser().absolute()


def place_of(files: WritableFileSystem) -> Place:
    """Returns the place of results in a file system."""
    return Folder(files.folder) if isinstance(files, LocalFileSystem) else _Files(files)
