"""The journal of a transaction: what to roll back, should the process that is in it end.

Each outermost transaction has a file of its own in the Towpath home, made when the first run with
rollback hooks has ended within it. Its process holds the file by `flock` while there is something
to roll back, and then removes it: a file without a lock is left from a process that has ended.
Removing the file commits the transaction.

A line has the CRC of its text, and the text, one JSON object: `stage` says whose hooks are to be
called, `done` which of them needn't be any more. Each line is on the disk before the code goes on.
"""

from __future__ import annotations

import base64
import errno
import fcntl
import hashlib
import json
import logging
import os
import threading
import uuid
import zlib
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from towpath._forks import in_child
from towpath._results.naming import certain_name, object_named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_log: Final = logging.getLogger("towpath.transactions")
_NONE: Final = "-"
_open: Final[set[Journal]] = set()


def _close_in_child() -> None:
    """The transactions of a parent are none of a forked child's."""
    for journal in list(_open):
        journal.abandon()


in_child(_close_in_child)


@dataclass(slots=True)
class Stage:
    """A part of a transaction that is to be rolled back unless the transaction commits."""

    number: int
    name: str
    hooks: list[Any]
    """Its rollback hooks, as names or pickles."""
    values: dict[str, str]
    """Pickles of the values that it has, by name."""
    done: set[int] = field(default_factory=set[int])
    """The hooks that needn't be called any more."""


class Journal:
    """The journal of one outermost transaction."""

    def __init__(self, home: Path, run_id: str, key: str) -> None:
        """Makes no file yet.

        Args:
            home: The Towpath home.
            run_id: The outermost run of this process that the transaction is in; empty for none.
            key: The transaction's key; empty for none.
        """
        self._folder = folder_of(home)
        self._owner = f"{run_id or _NONE}.{_digest(key)}"
        self._path = self._folder
        self._descriptor = -1
        self._abandoned = False
        self._count = 0
        self._left: dict[int, set[int]] = {}
        """The hooks of each part that are to be called if the process ends."""
        self._lock = threading.Lock()

    def stage(
        self, name: str, hooks: list[Callable[..., Any]], values: Callable[[], dict[str, Any]]
    ) -> int:
        """Writes down a part that is to be rolled back.

        Args:
            name: Its name, for people.
            hooks: Its rollback hooks.
            values: Returns the values that hooks may ask it for.

        Returns:
            Its number.
        """
        with self._lock:
            self._count += 1
            number = self._count
            text = {
                "stage": number,
                "name": name,
                "hooks": [_written(hook) for hook in hooks],
                "values": _pickled(name, values()),
            }
            if self._append(text):
                self._left[number] = set(range(len(hooks)))
            return number

    def done(self, parts: list[tuple[int, range]]) -> None:
        """Notes, as one step, that hooks of parts needn't be called any more.

        Args:
            parts: Numbers of parts, and their hooks that were called, or are committed.
        """
        with self._lock:
            noted: list[tuple[int, list[int]]] = []
            for number, hooks in parts:
                left = self._left.get(number)
                if left is not None:
                    left.difference_update(hooks)
                    noted.append((number, list(hooks)))
                    if not left:
                        del self._left[number]
            if not noted:
                return
            if self._left:
                self._append({"done": noted})
            else:
                self._remove()

    def abandon(self) -> None:
        """Leaves the file to the process that it belongs to."""
        self._abandoned = True
        self._close()

    def _append(self, text: dict[str, Any]) -> bool:
        if self._abandoned:
            return False
        try:
            if self._descriptor < 0:
                self._path = self._folder / f"{self._owner}.{uuid.uuid4().hex}"
                self._descriptor = _begun(self._path)
                _open.add(self)
            _append(self._descriptor, text)
        except OSError as error:
            _log.warning(
                "the journal of a transaction can't be written (%s): it is not rolled back in full"
                " if its process is killed",
                error,
            )
            return False
        return True

    def _remove(self) -> None:
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
            _sync_folder(self._folder)
        self._close()

    def _close(self) -> None:
        _open.discard(self)
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Left:
    """The journal of a process that is gone, held by this one."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor
        size = os.fstat(descriptor).st_size
        self.stages = stages_in(os.pread(descriptor, size, 0))

    def done(self, stage: Stage, hook: int) -> None:
        """Notes that a hook has been called."""
        stage.done.add(hook)
        with suppress(OSError):
            _append(self._descriptor, {"done": [(stage.number, [hook])]})

    def close(self, *, remove: bool) -> None:
        """Lets the file go.

        Args:
            remove: Whether nothing is left to roll back.
        """
        if remove:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


def left_behind(home: Path, *, run_id: str = "", key: str = "") -> Iterator[Left]:
    """The journals of processes that are gone.

    Args:
        home: The Towpath home.
        run_id: Of transactions in this run.
        key: Of transactions with this key.
    """
    pattern = f"{run_id}.*" if run_id else f"*.{_digest(key)}.*"
    for path in sorted(folder_of(home).glob(pattern), reverse=True):
        if path.name.startswith("."):
            continue
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Another process may have rolled it back before the lock was free.
            if not os.fstat(descriptor).st_nlink:
                raise FileNotFoundError(path)
            left = Left(path, descriptor)
        except OSError:
            os.close(descriptor)
            continue
        yield left


def folder_of(home: Path) -> Path:
    """The folder of the journals."""
    return home / "transactions"


def stages_in(data: bytes) -> list[Stage]:
    """What a journal has to roll back, in the order in which it was staged.

    A line that was cut off ends it: the code didn't go on after that line.
    """
    stages: dict[int, Stage] = {}
    for line in data.split(b"\n"):
        code, _, text = line.partition(b" ")
        if code != _code(text):
            break
        facts: dict[str, Any] = json.loads(text)
        if "stage" in facts:
            stage = Stage(facts["stage"], facts["name"], facts["hooks"], facts["values"])
            stages[stage.number] = stage
        for number, hooks in facts.get("done", ()):
            if number in stages:
                stages[number].done.update(hooks)
    return [each for each in stages.values() if len(each.done) < len(each.hooks)]


def hook_of(written: Any) -> Callable[..., Any]:
    """The hook that a journal names.

    Raises:
        Exception: It isn't there any more.
    """
    named = "name" in written
    hook: Callable[..., Any]
    hook = object_named(written["name"]) if named else value_of(written["pickle"])
    return hook


def value_of(pickled: str) -> Any:
    """The value of a pickle in a journal, which only this user can write.

    Raises:
        Exception: Its class isn't there any more.
    """
    import pickle  # noqa: PLC0415 - only what a process left is read

    return pickle.loads(base64.b64decode(pickled))  # noqa: S301 - the home's own file


def _written(hook: Callable[..., Any]) -> dict[str, str]:
    name = certain_name(hook)
    if name is not None:
        return {"name": name}
    shown = getattr(hook, "__name__", repr(hook))
    try:
        return {"pickle": _pickle_of(hook), "shown": shown}
    except Exception as error:  # noqa: BLE001 - objects of users may raise anything
        _log.warning(
            "the rollback hook %s is not called if its process is killed (%s): make it a function"
            " of a module",
            shown,
            error,
        )
        return {"name": f"{hook.__class__.__module__}:<{shown}>"}


def _pickled(owner: str, values: dict[str, Any]) -> dict[str, str]:
    pickled: dict[str, str] = {}
    for name, value in values.items():
        try:
            pickled[name] = _pickle_of(value)
        except Exception as error:  # noqa: BLE001 - objects of users may raise anything
            _log.warning(
                "hooks of %s don't get the value %r if its process is killed: %s",
                owner,
                name,
                error,
            )
    return pickled


def _pickle_of(value: Any) -> str:
    """A pickle of a value, as text.

    Raises:
        Exception: It can't be pickled.
    """
    import cloudpickle  # noqa: PLC0415 - most hooks have names, most transactions no values

    data: bytes = cast("Any", cloudpickle).dumps(value)
    return base64.b64encode(data).decode()


def _begun(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
    # Another process would take a file without a lock for a left one: it gets its name last.
    made = path.with_name(f".{path.name}")
    descriptor = os.open(made, flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        made.rename(path)
        _sync_folder(path.parent)
    except OSError:
        os.close(descriptor)
        made.unlink(missing_ok=True)
        raise
    return descriptor


def _append(descriptor: int, facts: dict[str, Any]) -> None:
    text = json.dumps(facts).encode()
    line = _code(text) + b" " + text + b"\n"
    size = os.fstat(descriptor).st_size
    if os.write(descriptor, line) < len(line):
        # What follows a line that was cut off would not be read.
        os.ftruncate(descriptor, size)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _code(text: bytes) -> bytes:
    return b"%08x" % zlib.crc32(text)


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest() if key else _NONE
