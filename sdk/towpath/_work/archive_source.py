"""Code from an archive: a zip or tar file on this machine, on the web or in object storage."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import shutil
import tarfile
import tempfile
import urllib.request
import zipfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from towpath._work.fetching import CodeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath._work.code_sources import CodeSource

_BLOCK_BYTES: Final = 1024 * 1024
_TIMEOUT_SECONDS: Final = 60.0


def unpacked(source: CodeSource, folder: Path, secret: Callable[[str], str]) -> str:
    """Unpacks an archive into a folder, which is made.

    Args:
        source: Path or address, with the digest that is expected.
        folder: Folder to unpack into.
        secret: Returns the value of a secret by its id.

    Returns:
        The archive's SHA-256, in hexadecimal.

    Raises:
        CodeError: It can't be had, or isn't what is expected.
    """
    credential = secret(source.credential) if source.credential else ""
    with tempfile.TemporaryFile() as file:
        try:
            digest = _copied(_opened(source.location, credential), file)
        except (OSError, ValueError) as error:
            raise CodeError(f"{source.location} can't be read: {error}") from error
        if source.sha256 and digest != source.sha256.lower():
            raise CodeError(
                f"{source.location} is not the archive that was deployed: its SHA-256 is {digest},"
                f" not {source.sha256}"
            )
        folder.mkdir(exist_ok=True, mode=0o700)
        _unpack(file, folder, source.location)
    return digest


def _copied(reader: IO[bytes], file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    with reader:
        while block := reader.read(_BLOCK_BYTES):
            digest.update(block)
            file.write(block)
    file.seek(0)
    return digest.hexdigest()


def _opened(location: str, credential: str) -> IO[bytes]:
    scheme = urlsplit(location).scheme
    if scheme in {"http", "https"}:
        request = urllib.request.Request(location)  # noqa: S310 - the scheme is looked at
        if credential:
            # Not sent on to where a redirect leads.
            request.add_unredirected_header("Authorization", f"Bearer {credential}")
        answer: IO[bytes] = urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS)  # noqa: S310 - as above
        return answer
    if scheme in {"", "file"}:
        return Path(location.removeprefix("file://")).expanduser().open("rb")
    if importlib.util.find_spec("fsspec") is None:
        raise CodeError(f"{location} needs fsspec, which is not installed with this interpreter")
    fsspec: Any = importlib.import_module("fsspec")
    opened: IO[bytes] = fsspec.open(location, "rb").open()
    return opened


def _unpack(file: IO[bytes], folder: Path, location: str) -> None:
    try:
        if zipfile.is_zipfile(file):
            file.seek(0)
            with zipfile.ZipFile(file) as archive:
                archive.extractall(folder)  # noqa: S202 - it leaves ".." out, and makes no links
            return
        file.seek(0)
        with tarfile.open(fileobj=file) as archive:
            archive.extractall(folder, filter="data")
    except (tarfile.TarError, zipfile.BadZipFile, OSError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise CodeError(f"{location} can't be unpacked as zip or tar: {error}") from error
