"""Stores of results and lock managers, as programs use them by name."""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
import pickle
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from towpath import flow, task
from towpath.cache_policies import INPUTS
from towpath.exceptions import DefinitionError, ResultError
from towpath.filesystems import LocalFileSystem
from towpath.locking.filesystem import FileSystemLockManager
from towpath.locking.memory import MemoryLockManager
from towpath.results import ResultRecord, ResultRecordMetadata, ResultStore, get_result_store
from towpath.states import Completed
from towpath.transactions import IsolationLevel

from tests.unit.sdk.moved import moves

if TYPE_CHECKING:
    from pathlib import Path


@moves(
    "results.ResultStore",
    "ResultStore.read",
    "ResultStore.write",
    "ResultStore.exists",
    "results.ResultRecord",
    "results.ResultRecordMetadata",
)
def test_a_store_has_records_by_key(tmp_path: Path) -> None:
    store = ResultStore(result_storage=tmp_path)
    assert not store.exists("report")
    with pytest.raises(ResultError, match="there is no result under the key 'report'"):
        store.read("report")
    later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    store.write({"rows": 3}, key="report", expiration=later)
    record = store.read("report")
    assert store.exists("report")
    assert (record.result, record.expiration) == ({"rows": 3}, later)
    assert record.metadata.storage_key == "report"
    store.write(obj=4, key="report", expiration=later - dt.timedelta(hours=2))
    assert not store.exists("report")
    assert store.read("report").result == 4
    store.persist_result_record(ResultRecord(5, ResultRecordMetadata(storage_key="report")))
    assert store.read("report").serializer == "json"


@moves("ResultStore.aread", "ResultStore.awrite", "ResultStore.aexists")
def test_a_store_has_awaitable_twins(tmp_path: Path) -> None:
    store = ResultStore(
        result_storage=LocalFileSystem(basepath=tmp_path), lock_manager=MemoryLockManager()
    )

    async def work() -> Any:
        await store.awrite([1], key="list")
        assert await store.aexists("list")
        return (await store.aread("list")).result

    assert asyncio.run(work()) == [1]


def test_a_store_makes_keys(tmp_path: Path) -> None:
    store = ResultStore(result_storage=tmp_path, storage_key_fn=lambda: "made")
    store.write(1)
    assert store.read("made").result == 1
    assert len(ResultStore().storage_key_fn()) == 32


def test_a_store_refuses_what_is_no_storage() -> None:
    with pytest.raises(DefinitionError, match="result_storage is a folder"):
        ResultStore(result_storage="ftp://somewhere")
    unknown: Any = "yaml"
    with pytest.raises(DefinitionError, match="result_serializer is one of"):
        ResultStore(serializer=unknown)


@moves("results.get_result_store", "ResultStore.update_for_flow", "ResultStore.update_for_task")
def test_the_store_of_a_run_is_where_its_results_are(tmp_path: Path) -> None:
    @task(result_storage_key="told", persist_result=True)
    def tells() -> int:
        store = get_result_store()
        assert store.result_storage == tmp_path / "flow"
        assert store.serializer == "pickle"
        return 1

    @task(
        result_storage=tmp_path / "task",
        result_serializer="json",
        cache_result_in_memory=False,
        cache_policy=INPUTS.configure(lock_manager=MemoryLockManager()),
    )
    def differs() -> int:
        store = get_result_store()
        assert store.result_storage == tmp_path / "task"
        assert (store.serializer, store.cache_result_in_memory) == ("json", False)
        assert store.lock_manager == MemoryLockManager()
        return 1

    @flow(result_storage=tmp_path / "flow", result_serializer="pickle")
    def around() -> Any:
        return tells() + differs(), get_result_store().read("told").result

    assert around() == (2, 1)
    assert get_result_store().result_storage is None
    updated = ResultStore().update_for_flow(around).update_for_task(differs)
    assert updated.result_storage == tmp_path / "task"
    keys = task(cache_policy=INPUTS.configure(key_storage=tmp_path / "keys"))(lambda: 1)
    assert ResultStore().update_for_task(keys).result_storage == tmp_path / "keys"


@moves(
    "ResultStore.acquire_lock",
    "ResultStore.release_lock",
    "ResultStore.is_locked",
    "ResultStore.is_lock_holder",
    "ResultStore.wait_for_lock",
    "ResultStore.supports_isolation_level",
    "locking.memory.MemoryLockManager",
    "locking.filesystem.FileSystemLockManager",
)
def test_a_store_locks_keys(tmp_path: Path) -> None:
    plain = ResultStore(result_storage=tmp_path)
    assert plain.supports_isolation_level(IsolationLevel.READ_COMMITTED)
    assert not plain.supports_isolation_level(IsolationLevel.SERIALIZABLE)
    with pytest.raises(DefinitionError, match="this store has no lock manager"):
        plain.acquire_lock("key")
    for manager in (MemoryLockManager(), FileSystemLockManager(tmp_path / "locks")):
        store = ResultStore(result_storage=tmp_path, lock_manager=manager)
        assert store.supports_isolation_level(IsolationLevel.SERIALIZABLE)
        assert store.acquire_lock("key")
        assert store.is_lock_holder("key")
        store.write(1, key="key")
        assert store.read("key").result == 1
        with pytest.raises(ResultError, match="another holder has the lock"):
            store.write(2, key="key", holder="another")
        assert not store.wait_for_lock("key", timeout=0)
        assert not asyncio.run(store.await_for_lock("key", timeout=0))
        store.release_lock("key")
        assert not store.is_locked("key")
        assert asyncio.run(store.aacquire_lock("key", holder="another"))
        assert not store.is_lock_holder("key")
        store.release_lock("key", holder="another")


class Big(list[int]):
    """A result that a weak reference can watch."""


@moves("cache_result_in_memory")
def test_a_result_that_is_kept_need_not_stay_in_memory() -> None:
    made: list[weakref.ref[Big]] = []

    @task(persist_result=True, cache_result_in_memory=False, result_serializer="pickle")
    def big() -> Big:
        result = Big(range(3))
        made.append(weakref.ref(result))
        return result

    @task
    def total(items: Big) -> int:
        return sum(items)

    @flow
    def around() -> int:
        future = big.submit()
        future.wait()
        gc.collect()
        assert made[0]() is None
        assert future.result() == [0, 1, 2]
        assert future.state.data == [0, 1, 2]
        kept = pickle.loads(pickle.dumps(future.state))
        assert kept == future.state
        assert kept.value == [0, 1, 2]
        return total.submit(future).result()

    assert around() == 3
    assert big.cache_result_in_memory is False
    assert flow(around.fn, cache_result_in_memory=False).cache_result_in_memory is False


def test_a_result_that_was_let_go_and_is_gone_is_told(tmp_path: Path) -> None:
    @task(persist_result=True, cache_result_in_memory=False, result_storage=tmp_path)
    def kept() -> int:
        return 1

    @flow
    def around() -> None:
        future = kept.submit()
        future.wait()
        for path in tmp_path.rglob("*"):
            if path.is_file():
                path.unlink()
        with pytest.raises(ResultError, match="no longer there"):
            future.result()

    around()
    with pytest.raises(AttributeError, match="'State' object has no attribute 'values'"):
        _ = Completed().values  # type: ignore[attr-defined] # the test is of this
