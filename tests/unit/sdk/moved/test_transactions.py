"""Transactions as programs use them: what is committed, and what is rolled back."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from towpath import flow, task
from towpath.cache_policies import INPUTS
from towpath.exceptions import DefinitionError, ResultError
from towpath.locking.memory import MemoryLockManager
from towpath.results import ResultRecord, ResultRecordMetadata, ResultStore
from towpath.transactions import (
    AsyncTransaction,
    CommitMode,
    IsolationLevel,
    Transaction,
    TransactionState,
    atransaction,
    get_transaction,
    transaction,
)

from tests.unit.sdk.moved import moves

if TYPE_CHECKING:
    from pathlib import Path

events: list[str] = []


@pytest.fixture(autouse=True)
def no_events(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TOWPATH_HOME", str(tmp_path / "home"))
    events.clear()


@task
def write(name: str) -> str:
    txn = get_transaction()
    assert txn is not None
    txn.set("name", name)
    events.append(f"write {name}")
    return name


@write.on_commit
def publish(txn: Any) -> None:
    events.append(f"publish {txn.get('name')}")


@write.on_rollback
def remove(txn: Any) -> None:
    events.append(f"remove {txn.get('name')}")


def commits(_: Any) -> None:
    events.append("commit")


def undoes(_: Any) -> None:
    events.append("undo")


@task
def check(name: str) -> None:
    raise ValueError(f"{name} is bad")


@moves("transactions.transaction", "Task.on_commit", "Task.on_rollback")
def test_what_a_block_has_done_is_committed_or_undone_as_a_whole() -> None:
    @flow
    def pipeline(good: bool) -> None:
        with transaction():
            write("a")
            write("b")
            events.append("end")
            if not good:
                check("b")

    pipeline(good=True)
    assert events == ["write a", "write b", "end", "publish a", "publish b"]
    events.clear()
    with pytest.raises(ValueError, match="b is bad"):
        pipeline(good=False)
    assert events == ["write a", "write b", "end", "remove b", "remove a"]


@moves("on_commit", "on_rollback")
def test_hooks_are_options_too() -> None:
    @task(on_commit=[commits], on_rollback=[remove])
    def works() -> None:
        events.append("work")

    works()
    assert events == ["work", "commit"]
    assert works.on_rollback_hooks == [remove]
    assert len(works.on_commit_hooks) == 1
    assert works.with_options(name="other").on_rollback_hooks == [remove]
    with pytest.raises(DefinitionError, match="a flow has no option 'on_commit'"):
        flow(works.fn, on_commit=[remove])
    with pytest.raises(DefinitionError, match="on_rollback of a task takes functions"):
        task(works.fn, on_rollback=["remove"])


@moves(
    "transactions.Transaction",
    "transactions.CommitMode",
    "transactions.TransactionState",
    "Transaction.is_committed",
    "Transaction.is_rolled_back",
    "Transaction.is_staged",
    "Transaction.is_pending",
    "Transaction.is_active",
    "Transaction.commit",
    "Transaction.rollback",
    "Transaction.stage",
)
def test_states_and_modes() -> None:
    txn = Transaction()
    assert txn.is_pending()
    with txn:
        assert txn.is_active()
        assert txn.commit_mode is CommitMode.LAZY
        txn.stage(1, on_commit_hooks=[commits])
        assert txn.is_staged()
    assert txn.is_committed()
    assert not txn.commit()
    assert not txn.rollback()
    assert txn.state == TransactionState.COMMITTED == "COMMITTED"
    with transaction(commit_mode=CommitMode.OFF) as off:
        write("off")
    assert off.is_rolled_back()
    with transaction(commit_mode="OFF") as off:
        write("on")
        assert off.commit()
    assert off.is_committed()
    with transaction() as around:
        with transaction(commit_mode=CommitMode.EAGER) as eager:
            write("eager")
            assert get_transaction() is eager
        assert eager.is_committed()
        with transaction() as lazy:
            write("lazy")
        assert not lazy.is_committed()
        assert around.rollback()
    assert lazy.is_rolled_back()
    assert events == [
        *("commit", "write off", "remove off", "write on", "publish on", "write eager"),
        *("publish eager", "write lazy", "remove lazy"),
    ]
    with pytest.raises(DefinitionError, match="a transaction is entered once"):
        txn.__enter__()
    with pytest.raises(DefinitionError, match="commit_mode is one of EAGER, LAZY, OFF"):
        transaction(commit_mode="SOMETIMES")


@moves("transactions.get_transaction", "Transaction.get", "Transaction.set")
def test_values_are_found_in_transactions_around() -> None:
    assert get_transaction() is None
    with transaction() as outer:
        outer.set("batch", [1])
        with transaction() as inner:
            assert get_transaction() is inner
            assert inner.get("batch") == [1]
            inner.get("batch").append(2)
            inner.set("own", threading.Lock())
            assert inner.get("own").acquire(blocking=False)
            assert inner.get("none", default=3) == 3
        assert outer.get("batch") == [1]
        with pytest.raises(ValueError, match="the transaction has no value 'own'"):
            outer.get("own")
        assert get_transaction() is outer


def test_a_block_waits_for_what_was_submitted_in_it() -> None:
    begin = threading.Event()

    @task(on_rollback=[undoes])
    def slow(fails: bool) -> None:
        begin.wait()
        if fails:
            raise ValueError

    @flow
    def around(fails: bool) -> bool:
        with transaction() as txn:
            futures = slow.map([False, False, fails], return_state=False)
            threading.Timer(0.01, begin.set).start()
        assert all(future.done() for future in futures)
        return txn.is_committed()

    assert around(fails=False)
    assert events == []
    begin.clear()
    with suppress(Exception):
        around(fails=True)
    assert events == ["undo", "undo"]


def test_a_failure_rolls_back_at_the_end_of_the_block_also_when_it_was_caught() -> None:
    with transaction() as outer:
        write("a")
        assert check("a", return_state=True).is_failed()
        assert not outer.is_rolled_back()
        write("b")
    assert outer.is_rolled_back()
    assert events == ["write a", "write b", "remove b", "remove a"]


def test_runs_within_a_task_are_parts_of_it() -> None:
    attempts: list[int] = []

    @task(retries=1)
    def whole() -> None:
        attempts.append(1)
        write(f"part {len(attempts)}")
        if len(attempts) < 2:
            raise ValueError

    @task
    def fails() -> None:
        write("part")
        check("part")

    whole()
    assert events == ["write part 1", "remove part 1", "write part 2", "publish part 2"]
    events.clear()
    with pytest.raises(ValueError, match="is bad"):
        fails()
    assert events == ["write part", "remove part"]


def test_a_subflow_is_in_the_transaction_around_it() -> None:
    @flow
    def inner(name: str) -> None:
        write(name)
        write.submit(f"{name}'s").wait()

    with suppress(KeyError), transaction():
        inner("a")
        raise KeyError
    assert events == ["write a", "write a's", "remove a's", "remove a"]


def test_results_are_kept_when_their_transaction_commits(tmp_path: Path) -> None:
    @task(cache_policy=INPUTS, result_storage=tmp_path, result_storage_key="{parameters[n]}")
    def compute(n: int) -> int:
        events.append("computes")
        return n

    store = ResultStore(result_storage=tmp_path)
    with transaction() as txn:
        compute(1)
        assert not store.exists("1")
        txn.rollback()
    assert not store.exists("1")
    with transaction():
        compute(1)
    assert store.read("1").result == 1
    assert compute(1, return_state=True).name == "Cached"
    assert events == ["computes", "computes"]


def test_a_hook_that_raises_is_told_and_the_others_are_called(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(_: Any) -> None:
        raise ConnectionError("no network")

    async def later(_: Any) -> None:
        await asyncio.sleep(0)
        events.append("awaited")

    with transaction() as txn:
        txn.stage(1, on_commit_hooks=[later, broken, later])
    assert events == ["awaited", "awaited"]
    assert "Commit hook 'broken' failed" in caplog.text
    assert txn.is_committed()


@moves("Transaction.read", "Transaction.overwrite", "Transaction.write_on_commit")
def test_a_key_says_what_was_done_before(tmp_path: Path) -> None:
    store = ResultStore(result_storage=tmp_path)

    def run(**options: Any) -> bool:
        with transaction("report", store=store, **options) as txn:
            found = txn.is_committed()
            txn.stage({"rows": 3}, on_commit_hooks=[commits])
        assert txn.is_committed()
        return found

    assert not run(write_on_commit=False)
    assert not run()
    assert run()
    assert not run(overwrite=True)
    assert events == ["commit"] * 3
    with transaction("report", store=store) as txn:
        record = txn.read()
        assert record is not None
        assert record.result == {"rows": 3}
    with transaction("told", store=store) as txn:
        assert txn.read() is None
        txn.stage(ResultRecord(4, ResultRecordMetadata(storage_key="told")))
    assert store.read("told").result == 4
    with transaction("plain", store=store):
        pass
    assert store.read("plain").result is None
    with pytest.raises(ResultError), transaction("bad", store=store) as txn:
        txn.stage(object())
    assert txn.is_rolled_back()


def test_parts_of_a_transaction_that_was_committed_before_are_committed(tmp_path: Path) -> None:
    store = ResultStore(result_storage=tmp_path)
    with transaction("key", store=store) as txn:
        txn.stage(5)
    for _ in range(2):
        with transaction("key", store=store):
            write("again")
    assert store.read("key").result == 5
    assert events == ["write again", "publish again"] * 2


@moves("Transaction.isolation_level", "transactions.IsolationLevel")
@pytest.mark.parametrize("given", [True, False])
def test_serializable_transactions_run_one_after_the_other(tmp_path: Path, given: bool) -> None:
    manager = MemoryLockManager() if given else None
    store = ResultStore(result_storage=tmp_path, lock_manager=manager)
    inside: list[int] = []

    def work() -> None:
        with transaction("key", store=store, isolation_level=IsolationLevel.SERIALIZABLE) as txn:
            inside.append(1)
            events.append("found" if txn.is_committed() else f"{len(inside)} inside")
            with transaction("key", store=store) as again:
                assert again.isolation_level == "SERIALIZABLE"
            inside.pop()

    async def work_async() -> None:
        async with atransaction("key", store=store, isolation_level="SERIALIZABLE") as txn:
            events.append("found" if txn.is_committed() else "inside")
            await asyncio.sleep(0)

    async def several() -> None:
        await asyncio.gather(*(work_async() for _ in range(3)))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asyncio.run(several())
    assert events == ["1 inside", *["found"] * 6]


def test_a_serializable_task_has_its_lock_until_the_transaction_ends(tmp_path: Path) -> None:
    locks = MemoryLockManager()

    @task(
        cache_policy=INPUTS.configure(isolation_level="SERIALIZABLE", lock_manager=locks),
        result_storage=tmp_path,
    )
    def compute() -> int:
        events.append("computes")
        return 1

    def other() -> None:
        compute()

    with transaction():
        compute()
        compute()
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(0.05)
        assert thread.is_alive()
    thread.join()
    assert events == ["computes", "computes"]


@moves("transactions.atransaction", "transactions.AsyncTransaction")
def test_transactions_of_async_code() -> None:
    async def gone(_: Any) -> None:
        await asyncio.sleep(0)
        events.append("gone")

    @task
    async def awrites(name: str) -> None:
        await asyncio.sleep(0)
        write(name)

    @flow
    async def around(fails: bool) -> AsyncTransaction:
        async with atransaction() as txn:
            await awrites("a")
            write.submit("b")
            txn.stage(None, on_rollback_hooks=[gone])
            if fails:
                raise KeyError
        return txn

    assert asyncio.run(around(fails=False)).is_committed()
    assert sorted(events) == ["publish a", "publish b", "write a", "write b"]
    events.clear()
    with pytest.raises(KeyError):
        asyncio.run(around(fails=True))
    assert sorted(events) == ["gone", "remove a", "remove b", "write a", "write b"]
    assert events[2] == "gone"

    async def settles() -> None:
        async with atransaction(commit_mode=CommitMode.OFF) as txn:
            assert await txn.commit()
            assert not await txn.rollback()
        async with atransaction() as txn:
            assert await txn.rollback()
            assert not await txn.commit()

    asyncio.run(settles())


def test_hooks_log_in_their_run(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    write("a")
    (record, *_) = [each for each in caplog.records if "publish" in each.getMessage()]
    assert record.getMessage() == "Running commit hook 'publish'"
    assert vars(record)["task_run_name"] == "write"
