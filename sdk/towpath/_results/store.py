"""Stored results: files under one folder, each written whole or not at all.

A file is one line of JSON, what is known of the result, then its bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import uuid
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlsplit
from urllib.request import url2pathname

from towpath._class_cache import class_of
from towpath._results import encoding
from towpath._results.comparing import difference
from towpath._results.naming import shown_name
from towpath._results.scalars import NotEncodableError
from towpath.exceptions import ResultError

if TYPE_CHECKING:
    from towpath._results.policy import Serializer

_COMPRESSED: Final = "compressed/"
_TYPES: Final = {
    "json": "application/json",
    "pickle": "application/x-python-pickle",
    "compressed/json": "application/zlib",
    "compressed/pickle": "application/zlib",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredResult:
    """What is known of a stored result."""

    uri: str
    """Where it lies, a file: URI."""
    content_type: str
    size_bytes: int
    sha256: str
    """Of its bytes, hexadecimal."""
    run_id: str
    """The run that gave it."""
    expires: float | None
    """Seconds since the Unix epoch; None for never."""
    top_run_id: str = ""
    """The outermost run of the process that gave it."""
    attempt: int = 0
    """The attempt of that run."""


Kept = Literal["here", "gone", "expired", "unreadable", "elsewhere"]
"""What is known of a stored result by its address: "elsewhere" is out of this machine's reach."""


def kept_at(uri: str, now: float) -> Kept:
    """Looks for a stored result, without reading its value.

    Args:
        uri: Its address.
        now: The time, seconds since the Unix epoch.
    """
    parts = urlsplit(uri)
    path = Path(url2pathname(parts.path))
    # A folder of results has a folder for each two digits of their names.
    if parts.scheme != "file" or not path.parent.parent.is_dir():
        return "elsewhere"
    try:
        with path.open("rb") as file:
            expires = json.loads(file.readline())["expires"]
    except FileNotFoundError:
        return "gone"
    except (OSError, ValueError, KeyError, TypeError):
        return "unreadable"
    return "expired" if expires is not None and now >= expires else "here"


class ResultStore:
    """Results by key in a folder of this machine."""

    def __init__(self, folder: Path) -> None:
        """Makes nothing yet.

        Args:
            folder: Where results lie; made with the first one.
        """
        self._folder = folder

    def write(
        self,
        key: str,
        value: Any,
        *,
        run_id: str,
        serializer: Serializer,
        expires: float | None,
        top_run_id: str = "",
        attempt: int = 0,
    ) -> StoredResult:
        """Stores a result under a key, in the place of an older one.

        Raises:
            ResultError: It can't be serialized.
            OSError: The disk doesn't take it.
        """
        data = _serialized(value, serializer)
        path = self._path(key)
        stored = StoredResult(
            uri=path.as_uri(),
            content_type=_TYPES[serializer],
            size_bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            run_id=run_id,
            expires=expires,
            top_run_id=top_run_id,
            attempt=attempt,
        )
        head = {"key": key, "serializer": serializer, "run_id": run_id, "expires": expires}
        head |= {"top_run_id": top_run_id, "attempt": attempt}
        head["sha256"] = stored.sha256
        self._write_whole(path, json.dumps(head).encode() + b"\n" + data)
        return stored

    def read(self, key: str) -> tuple[StoredResult, Any] | None:
        """What was stored under a key, and the value; None when there is nothing.

        Raises:
            ResultError: It is there and can't be read back.
        """
        path = self._path(key)
        try:
            head_line, _, data = path.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ResultError(f"the stored result {path} can't be read: {error}") from error
        try:
            head = json.loads(head_line)
            _check(data, head["sha256"])
            value = _deserialized(data, head["serializer"])
        except Exception as error:
            raise ResultError(
                f"the stored result {path} can't be read back ({error}); remove the file, or run"
                " with refresh_cache=True to write it anew"
            ) from error
        stored = StoredResult(
            uri=path.as_uri(),
            content_type=_TYPES[head["serializer"]],
            size_bytes=len(data),
            sha256=head["sha256"],
            run_id=head["run_id"],
            expires=head["expires"],
            top_run_id=head.get("top_run_id", ""),
            attempt=head.get("attempt", 0),
        )
        return stored, value

    def _path(self, key: str) -> Path:
        name = hashlib.sha256(key.encode()).hexdigest()
        return self._folder / name[:2] / name

    def _write_whole(self, path: Path, data: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        written = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
        try:
            descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            written.replace(path)
        except OSError:
            written.unlink(missing_ok=True)
            raise


def _check(data: bytes, sha256: str) -> None:
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ValueError("its bytes have changed")


def _serialized(value: Any, serializer: Serializer) -> bytes:
    """A result as bytes that give it back: they are read once before they are kept."""
    data = _plain(value, serializer.removeprefix(_COMPRESSED))
    return zlib.compress(data) if serializer.startswith(_COMPRESSED) else data


def _plain(value: Any, serializer: str) -> bytes:
    if serializer == "json":
        try:
            return _as_json(value)
        except NotEncodableError as error:
            raise ResultError(
                f"the result can't be stored as JSON: {error}. Return plain values, set"
                ' result_serializer="pickle", or don\'t persist it (persist_result=False)'
            ) from error
    try:
        data = pickle.dumps(value)
        back = pickle.loads(data)  # noqa: S301 - these bytes are our own
    except Exception as error:
        raise ResultError(
            f"the result can't be pickled and read back: {error}. Return plain values, or don't"
            " persist it (persist_result=False)"
        ) from error
    if type(back) is not type(value):
        raise ResultError(
            f"the result is a {shown_name(class_of(value))}, and comes back from its pickle as a"
            f" {shown_name(class_of(back))}. Return plain values, or don't persist it"
            " (persist_result=False)"
        )
    return data


def _as_json(value: Any) -> bytes:
    data = encoding.dumps(value)
    try:
        where = difference(value, encoding.loads(data))
    except Exception as error:
        raise NotEncodableError(f"can't be read back: {error}") from error
    if where is not None:
        raise NotEncodableError("would come back as something else", where)
    return data


def _deserialized(data: bytes, serializer: str) -> Any:
    if serializer.startswith(_COMPRESSED):
        data, serializer = zlib.decompress(data), serializer.removeprefix(_COMPRESSED)
    # A pickle is read only where this user wrote it: results lie in a folder of the user's own.
    return encoding.loads(data) if serializer == "json" else pickle.loads(data)  # noqa: S301 - see above
