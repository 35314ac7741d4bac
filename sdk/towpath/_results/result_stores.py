"""The store of results as users have it: records by key, and locks on the keys.

The keys are those that `result_storage_key` of tasks gives: a task's result is read by its key.
"""

from __future__ import annotations

import asyncio
import copy
import datetime as dt
import os
import socket
import threading
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from towpath._results.isolation import IsolationLevel, member_of
from towpath._results.opening import store_of
from towpath._results.policy import serializer_of, storage_of
from towpath._runs.context import current_run
from towpath._settings.current import settings_of_runs
from towpath.exceptions import DefinitionError, ResultError

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath._results.locks.protocol import LockManager
    from towpath._results.policy import Serializer, Storage
    from towpath._results.store import StoredResults

R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class ResultRecordMetadata:
    """What is known of a record.

    Attributes:
        storage_key: Its key.
        expiration: Until when it counts; None for no end.
        serializer: The form that it is kept in.
    """

    storage_key: str
    expiration: dt.datetime | None = None
    serializer: Serializer = "json"


@dataclass(frozen=True)
class ResultRecord(Generic[R]):
    """A result, and what is known of it.

    Attributes:
        result: The result.
        metadata: What is known of it.
    """

    result: R
    metadata: ResultRecordMetadata

    @property
    def expiration(self) -> dt.datetime | None:
        """Until when it counts; None for no end."""
        return self.metadata.expiration

    @property
    def serializer(self) -> Serializer:
        """The form that it is kept in."""
        return self.metadata.serializer


def _new_key() -> str:
    return uuid.uuid4().hex


@dataclass(kw_only=True)
class ResultStore:
    """Results by key.

    Attributes:
        result_storage: Where results are kept, a folder, an address or a file system; None for
            where the settings say.
        lock_manager: Locks the keys; None for no locks.
        cache_result_in_memory: Whether runs that use it keep their results in memory, too.
        serializer: How results become bytes.
        storage_key_fn: Makes the key of a result that is written without one.
    """

    result_storage: Storage | None = None
    lock_manager: LockManager | None = None
    cache_result_in_memory: bool = True
    serializer: Serializer = "json"
    storage_key_fn: Callable[[], str] = field(default=_new_key)

    def __post_init__(self) -> None:
        """Checks the options.

        Raises:
            DefinitionError: There is no such storage or serializer.
        """
        self.result_storage = storage_of(self.result_storage, "result_storage")
        self.serializer = serializer_of(self.serializer)

    def update_for_flow(self, flow: Any) -> Self:
        """Returns a copy with the options of a flow, where it has some."""
        return self._updated(flow)

    def update_for_task(self, task: Any) -> Self:
        """Returns a copy with the options of a task, where it has some."""
        made = self._updated(task)
        policy = task.cache_policy
        keys = getattr(policy, "key_storage", None)
        if keys is not None:
            made.result_storage = storage_of(keys, "key_storage")
        manager = getattr(policy, "lock_manager", None)
        if manager is not None:
            made.lock_manager = manager
        return made

    def supports_isolation_level(self, level: IsolationLevel) -> bool:
        """Whether runs can be kept apart that far: SERIALIZABLE needs a lock manager."""
        asked = member_of(IsolationLevel, "level", level)
        return asked != IsolationLevel.SERIALIZABLE or self.lock_manager is not None

    def exists(self, key: str) -> bool:
        """Whether a record has a key, and hasn't expired.

        Raises:
            ResultError: A record is there, and can't be read back.
        """
        found = self._open().read(_inner(key), self.serializer)
        if found is None:
            return False
        expires = found[0].expires
        return expires is None or _now() < expires

    def read(self, key: str, holder: str | None = None) -> ResultRecord[Any]:
        """Returns the record of a key, also an expired one.

        Args:
            key: The key.
            holder: Who reads; while another one has the lock of the key, the call waits.

        Raises:
            ResultError: There is none, or it can't be read back.
        """
        manager = self.lock_manager
        if manager is not None and not manager.is_lock_holder(key, holder or default_holder()):
            manager.wait_for_lock(key)
        return self._read(key)

    def write(
        self,
        obj: Any,
        key: str | None = None,
        expiration: dt.datetime | None = None,
        holder: str | None = None,
    ) -> None:
        """Writes a record, in the place of an earlier one.

        Args:
            obj: The result.
            key: Its key; None for one that `storage_key_fn` makes.
            expiration: Until when it counts; None for no end.
            holder: Who writes.

        Raises:
            ResultError: It can't be serialized, or another holder has the lock of the key.
            OSError: The storage doesn't take it.
        """
        self.persist_result_record(self.create_result_record(obj, key, expiration), holder)

    def create_result_record(
        self, obj: Any, key: str | None = None, expiration: dt.datetime | None = None
    ) -> ResultRecord[Any]:
        """Makes a record, which `persist_result_record` writes.

        Args:
            obj: The result.
            key: Its key; None for one that `storage_key_fn` makes.
            expiration: Until when it counts; None for no end.
        """
        metadata = ResultRecordMetadata(
            storage_key=key or self.storage_key_fn(),
            expiration=expiration,
            serializer=self.serializer,
        )
        return ResultRecord(obj, metadata)

    def persist_result_record(
        self, result_record: ResultRecord[Any], holder: str | None = None
    ) -> None:
        """Writes a record; raises as `write`.

        Args:
            result_record: The record.
            holder: Who writes.
        """
        self.prepared(result_record, holder)()

    def prepared(
        self, result_record: ResultRecord[Any], holder: str | None = None
    ) -> Callable[[], None]:
        """Returns a function that writes a record, which is serialized now.

        Args:
            result_record: The record.
            holder: Who writes.

        Raises:
            ResultError: It can't be serialized.
        """
        metadata = result_record.metadata
        until = metadata.expiration
        run = current_run.get()
        results = self._open()
        made = results.prepare(
            _inner(metadata.storage_key),
            result_record.result,
            run_id="" if run is None else run.run_id,
            serializer=metadata.serializer,
            expires=None if until is None else until.timestamp(),
        )

        def write() -> None:
            self._check_lock(metadata.storage_key, holder)
            results.put(made, None)

        return write

    async def aexists(self, key: str) -> bool:
        """As `exists`, in a thread."""
        return await asyncio.to_thread(self.exists, key)

    async def aread(self, key: str, holder: str | None = None) -> ResultRecord[Any]:
        """As `read`, in a thread."""
        manager = self.lock_manager
        if manager is not None and not manager.is_lock_holder(key, holder or default_holder()):
            await manager.await_for_lock(key)
        return await asyncio.to_thread(self._read, key)

    async def awrite(
        self,
        obj: Any,
        key: str | None = None,
        expiration: dt.datetime | None = None,
        holder: str | None = None,
    ) -> None:
        """As `write`, in a thread."""
        record = self.create_result_record(obj, key, expiration)
        await self.apersist_result_record(record, holder)

    async def apersist_result_record(
        self, result_record: ResultRecord[Any], holder: str | None = None
    ) -> None:
        """As `persist_result_record`, in a thread."""
        writer = holder or default_holder()
        await asyncio.to_thread(self.persist_result_record, result_record, writer)

    def acquire_lock(
        self, key: str, holder: str | None = None, timeout: float | None = None
    ) -> bool:
        """Acquires the lock of a key.

        Args:
            key: The key.
            holder: Who is to have it; None for this thread.
            timeout: Longest wait, seconds; None for no limit.

        Returns:
            Whether the holder has the lock.

        Raises:
            DefinitionError: The store has no lock manager.
        """
        return self._manager().acquire_lock(key, holder or default_holder(), timeout)

    async def aacquire_lock(
        self,
        key: str,
        holder: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - Prefect's name
    ) -> bool:
        """As `acquire_lock`; the event loop goes on meanwhile."""
        return await self._manager().aacquire_lock(key, holder or default_holder(), timeout)

    def release_lock(self, key: str, holder: str | None = None) -> None:
        """Releases the lock of a key.

        Raises:
            ValueError: The holder doesn't have it.
            DefinitionError: The store has no lock manager.
        """
        self._manager().release_lock(key, holder or default_holder())

    def is_locked(self, key: str) -> bool:
        """Whether anyone has the lock of a key."""
        return self._manager().is_locked(key)

    def is_lock_holder(self, key: str, holder: str | None = None) -> bool:
        """Whether a holder has the lock of a key; None for this thread."""
        return self._manager().is_lock_holder(key, holder or default_holder())

    def wait_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """Waits until the lock of a key is free.

        Args:
            key: The key.
            timeout: Longest wait, seconds; None for no limit.

        Returns:
            Whether the lock is free.
        """
        return self._manager().wait_for_lock(key, timeout)

    async def await_for_lock(
        self,
        key: str,
        timeout: float | None = None,  # noqa: ASYNC109 - Prefect's name
    ) -> bool:
        """As `wait_for_lock`; the event loop goes on meanwhile."""
        return await self._manager().await_for_lock(key, timeout)

    def _check_lock(self, key: str, holder: str | None) -> None:
        manager = self.lock_manager
        if (
            manager is not None
            and manager.is_locked(key)
            and not manager.is_lock_holder(key, holder or default_holder())
        ):
            raise ResultError(
                f"another holder has the lock of {key!r}: write with the holder that has it, or"
                " when the lock is free"
            )

    def _updated(self, owner: Any) -> Self:
        made = copy.copy(self)
        if owner.result_policy.storage is not None:
            made.result_storage = owner.result_policy.storage
        if owner.result_serializer is not None:
            made.serializer = owner.result_policy.serializer
        if owner.cache_result_in_memory is not None:
            made.cache_result_in_memory = owner.cache_result_in_memory
        return made

    def _manager(self) -> LockManager:
        if self.lock_manager is None:
            raise DefinitionError(
                "this store has no lock manager: give it one of towpath.locking, as in"
                " ResultStore(lock_manager=MemoryLockManager())"
            )
        return self.lock_manager

    def _read(self, key: str) -> ResultRecord[Any]:
        found = self._open().read(_inner(key), self.serializer)
        if found is None:
            raise ResultError(f"there is no result under the key {key!r}")
        stored, value = found
        ends = stored.expires
        until = None if ends is None else dt.datetime.fromtimestamp(ends, dt.UTC)
        metadata = ResultRecordMetadata(
            storage_key=key, expiration=until, serializer=self.serializer
        )
        return ResultRecord(value, metadata)

    def _open(self) -> StoredResults:
        run = current_run.get()
        settings = run.settings if run is not None else None
        return store_of(settings or settings_of_runs(), self.result_storage)


def default_holder() -> str:
    """The holder of locks that a caller without a name of its own is: its run, or its thread."""
    run = current_run.get()
    if run is not None:
        return run.run_id
    return f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}"


def get_result_store() -> ResultStore:
    """Returns the store of results of the current run; outside of runs, the usual one."""
    store = ResultStore()
    runs: list[Any] = []
    run = current_run.get()
    while run is not None:
        runs.append(run)
        run = run.parent
    for each in reversed(runs):
        if each.kind == "flow":
            store = store.update_for_flow(each.owner)
    if runs and runs[0].kind == "task":
        store = store.update_for_task(runs[0].owner)
    return store


def _inner(key: str) -> str:
    return f"key:{key}"


def _now() -> float:
    run = current_run.get()
    if run is not None:
        return run.clock.time()
    return dt.datetime.now(dt.UTC).timestamp()


__all__ = [
    "ResultRecord",
    "ResultRecordMetadata",
    "ResultStore",
    "default_holder",
    "get_result_store",
]
