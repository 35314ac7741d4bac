"""Stored results in object storage, by obstore: S3, Google Cloud Storage, Azure and memory.

Credentials come from the environment or the identity of the machine, as the store's own tools have
them, never from settings of Towpath.

Invariant: a forked child of a process that has used obstore doesn't use it, for it would wait for
ever for threads of its parent. It has each operation done by a fresh process, slowly.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from towpath._forks import generation
from towpath._results.places import Found
from towpath.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMES: Final = ("s3", "gs", "az", "memory")
_RETRIES: Final = {"max_retries": 3, "retry_timeout": timedelta(seconds=30)}
_CHILD_SECONDS: Final = 60.0
_SERVE: Final = "from towpath._results.buckets import serve; serve()"
_used: set[int] = set()
"""Generations of forks in which this process or a parent has used obstore."""


class Bucket:
    """A prefix of a bucket, to which others may write."""

    shared = True

    def __init__(self, url: str) -> None:
        """Connects to nothing yet.

        Args:
            url: The bucket and the prefix, "s3://bucket/results".

        Raises:
            ConfigurationError: obstore is not installed, or doesn't take the address.
        """
        self._url = url.rstrip("/")
        if not self._is_forked():
            _store(self._url)

    def uri_of(self, name: str) -> str:
        """The URI of a name; of all names for an empty one."""
        return f"{self._url}/{_path(name)}" if name else self._url

    def read(self, name: str) -> Found | None:
        """The bytes of a name; None when there are none."""
        found: Found | None = self._operate("read", name)
        return found

    def create(self, name: str, data: bytes) -> bool:
        """Writes bytes unless the name has some; returns whether they were written."""
        return bool(self._operate("create", name, data))

    def replace(self, name: str, data: bytes, version: str = "") -> bool:
        """Writes bytes in the place of others, if they have that version still."""
        return bool(self._operate("replace", name, data, version))

    def delete(self, name: str, version: str = "") -> None:
        """Removes the bytes of a name, if there are some."""
        self._operate("delete", name, version)

    def names(self) -> Iterator[str]:
        """All names."""
        names: list[str] = self._operate("names")
        return iter(names)

    def _operate(self, operation: str, *arguments: Any) -> Any:
        if self._is_forked():
            return _in_fresh_process(self._url, operation, arguments)
        _used.add(generation())
        return _OPERATIONS[operation](_store(self._url), *arguments)

    def _is_forked(self) -> bool:
        return any(used < generation() for used in _used)


@cache
def _obstore() -> Any:
    try:
        import obstore  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"results.url needs obstore ({error}): pip install 'towpath[objects]'"
        ) from error
    return obstore


@cache
def _store(url: str) -> Any:
    """The store of an address; one for a process, since one in memory keeps its objects."""
    stores: Any = _obstore().store
    try:
        return (
            stores.from_url(url, retry_config=_RETRIES)
            if not url.startswith("memory:")
            else (stores.MemoryStore())
        )
    except Exception as error:
        raise ConfigurationError(f"results.url {url!r} can't be used: {error}") from error


def _failed(error: Exception) -> OSError:
    return OSError(f"{type(error).__name__}: {str(error).partition(chr(10))[0]}")


def _read(store: Any, name: str) -> Found | None:
    try:
        got: Any = _obstore().get(store, _path(name))
        return Found(data=bytes(got.bytes()), version=got.meta.get("e_tag") or "")
    except FileNotFoundError:
        return None
    except _obstore().exceptions.BaseError as error:
        raise _failed(error) from error


def _create(store: Any, name: str, data: bytes) -> bool:
    return _put(store, name, data, "create")


def _replace(store: Any, name: str, data: bytes, version: str) -> bool:
    return _put(store, name, data, {"e_tag": version} if version else "overwrite")


def _put(store: Any, name: str, data: bytes, mode: Any) -> bool:
    exceptions: Any = _obstore().exceptions
    try:
        _obstore().put(store, _path(name), data, mode=mode)
    except (exceptions.AlreadyExistsError, exceptions.PreconditionError):
        return False
    except (exceptions.BaseError, FileNotFoundError) as error:
        raise _failed(error) from error
    return True


def _delete(store: Any, name: str, version: str) -> None:
    found = _read(store, name)
    if found is None or (version and found.version != version):
        return
    try:
        _obstore().delete(store, _path(name))
    except FileNotFoundError:
        return
    except _obstore().exceptions.BaseError as error:
        raise _failed(error) from error


def _names(store: Any) -> list[str]:
    try:
        groups: Any = _obstore().list(store)
        return [object_["path"].rpartition("/")[2] for group in groups for object_ in group]
    except _obstore().exceptions.BaseError as error:
        raise _failed(error) from error


_OPERATIONS: Final[dict[str, Any]] = {
    "read": _read,
    "create": _create,
    "replace": _replace,
    "delete": _delete,
    "names": _names,
}


def _path(name: str) -> str:
    return f"{name[:2]}/{name}"


def _in_fresh_process(url: str, operation: str, arguments: tuple[Any, ...]) -> Any:
    if url.startswith("memory:"):
        raise OSError("results in memory are those of the process that was forked")
    ran = subprocess.run(  # noqa: S603 - this interpreter, our own code
        [sys.executable, "-c", _SERVE],
        input=pickle.dumps((url, operation, arguments)),
        capture_output=True,
        timeout=_CHILD_SECONDS,
        check=False,
    )
    if ran.returncode:
        last = ran.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise OSError(f"the process for {url} failed: {last}")
    outcome: Any = pickle.loads(ran.stdout)  # noqa: S301 - of our own process
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def serve() -> None:
    """Does one operation for a forked child: reads it from stdin, and writes the outcome."""
    url, operation, arguments = pickle.load(sys.stdin.buffer)  # noqa: S301 - of our own process
    try:
        outcome: Any = _OPERATIONS[operation](_store(url), *arguments)
    except Exception as error:  # noqa: BLE001 - raised in the child
        outcome = error
    pickle.dump(outcome, sys.stdout.buffer)
