"""Lock managers: one holder at a time, also between processes, and also when one is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
from towpath import _strikes
from towpath.locking import LockManager
from towpath.locking.filesystem import FileSystemLockManager
from towpath.locking.memory import MemoryLockManager

if TYPE_CHECKING:
    from pathlib import Path

HOLDER = """
import sys
from towpath.locking.filesystem import FileSystemLockManager
manager = FileSystemLockManager(sys.argv[1])
assert manager.acquire_lock("key", "other")
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture(params=["memory", "files"])
def locks(request: pytest.FixtureRequest, tmp_path: Path) -> LockManager:
    if request.param == "memory":
        return MemoryLockManager()
    return FileSystemLockManager(tmp_path / "locks")


@pytest.fixture
def key(request: pytest.FixtureRequest) -> str:
    return f"a/../{request.node.name}" * 9


def test_a_lock_has_one_holder(locks: LockManager, key: str) -> None:
    assert isinstance(locks, LockManager)
    assert not locks.is_locked(key)
    assert locks.acquire_lock(key, "one")
    assert locks.acquire_lock(key, "one")
    assert not locks.acquire_lock(key, "two", acquire_timeout=0)
    assert locks.is_locked(key)
    assert locks.is_lock_holder(key, "one")
    assert not locks.is_lock_holder(key, "two")
    assert not locks.wait_for_lock(key, 0)
    with pytest.raises(ValueError, match="two doesn't have the lock"):
        locks.release_lock(key, "two")
    locks.release_lock(key, "one")
    assert not locks.is_locked(key)
    assert not locks.is_lock_holder(key, "one")
    assert locks.wait_for_lock(key, 0)
    with pytest.raises(ValueError, match="one doesn't have the lock"):
        locks.release_lock(key, "one")
    assert locks.acquire_lock(key, "two", acquire_timeout=0)
    locks.release_lock(key, "two")


def test_of_many_threads_one_at_a_time_has_the_lock(locks: LockManager, key: str) -> None:
    inside: list[str] = []
    most: list[int] = []

    def work(holder: str) -> None:
        for _ in range(10):
            assert locks.acquire_lock(key, holder)
            inside.append(holder)
            most.append(len(inside))
            inside.remove(holder)
            locks.release_lock(key, holder)

    threads = [threading.Thread(target=work, args=(f"thread {n}",)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 50
    assert not locks.is_locked(key)


def test_of_many_coroutines_one_at_a_time_has_the_lock(locks: LockManager, key: str) -> None:
    inside: list[str] = []
    most: list[int] = []

    async def work(holder: str) -> None:
        for _ in range(4):
            assert await locks.aacquire_lock(key, holder)
            inside.append(holder)
            await asyncio.sleep(0)
            most.append(len(inside))
            inside.remove(holder)
            locks.release_lock(key, holder)

    async def all_of_them() -> None:
        await asyncio.gather(*(work(f"coroutine {n}") for n in range(4)))
        assert await locks.await_for_lock(key, 0)

    asyncio.run(all_of_them())
    assert most == [1] * 16


def test_a_coroutine_waits_no_longer_than_it_says(locks: LockManager, key: str) -> None:
    assert locks.acquire_lock(key, "one")

    async def waits() -> None:
        assert not await locks.aacquire_lock(key, "two", acquire_timeout=0.01)
        assert not await locks.await_for_lock(key, 0.01)

    asyncio.run(waits())
    assert not locks.acquire_lock(key, "two", acquire_timeout=0.01)
    locks.release_lock(key, "one")


def test_a_lock_that_was_held_too_long_is_free(locks: LockManager, key: str) -> None:
    assert locks.acquire_lock(key, "one", hold_timeout=0.02)
    assert locks.wait_for_lock(key)
    assert locks.acquire_lock(key, "two")
    assert not locks.is_lock_holder(key, "one")
    with pytest.raises(ValueError, match="doesn't have"):
        locks.release_lock(key, "one")
    locks.release_lock(key, "two")
    assert locks.acquire_lock(key, "three", hold_timeout=0.02)
    assert asyncio.run(locks.aacquire_lock(key, "four"))
    locks.release_lock(key, "four")


def test_a_closed_loop_that_waited_stops_no_release(key: str) -> None:
    locks = MemoryLockManager()
    assert locks.acquire_lock(key, "one")
    loop = asyncio.new_event_loop()
    waiting = loop.create_task(locks.aacquire_lock(key, "two"))
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    locks.release_lock(key, "one")
    assert not locks.is_locked(key)
    waiting.get_coro().close()  # type: ignore[union-attr] # as the end of the process would


def test_managers_are_equal_where_they_share_locks(tmp_path: Path) -> None:
    assert MemoryLockManager() == MemoryLockManager()
    assert FileSystemLockManager(tmp_path) == FileSystemLockManager(str(tmp_path))
    assert FileSystemLockManager(tmp_path) != FileSystemLockManager(tmp_path / "other")
    one = FileSystemLockManager(tmp_path)
    assert one.acquire_lock("key", "me")
    assert not FileSystemLockManager(tmp_path).acquire_lock("key", "you", acquire_timeout=0)
    FileSystemLockManager(tmp_path).release_lock("key", "me")
    assert not one.is_locked("key")


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    locks = FileSystemLockManager(tmp_path)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        assert locks.is_lock_holder("key", "other")
        assert not locks.acquire_lock("key", "me", acquire_timeout=0)
        got: list[bool] = []
        waiting = threading.Thread(target=lambda: got.append(locks.acquire_lock("key", "me")))
        waiting.start()
        holder.send_signal(signal.SIGKILL)
        waiting.join()
    assert got == [True]
    assert locks.is_lock_holder("key", "me")
    locks.release_lock("key", "me")


def test_a_forked_child_keeps_no_lock_of_its_parent(tmp_path: Path) -> None:
    locks = FileSystemLockManager(tmp_path)
    memory = MemoryLockManager()
    assert locks.acquire_lock("key", "me")
    assert memory.acquire_lock("forked", "me")
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        seen = [locks.is_locked("key"), memory.is_locked("forked")]
        os.write(writing, repr(seen).encode())
        os.close(writing)
        signal.pause()
    try:
        assert os.read(reading, 99) == b"[True, False]"
        locks.release_lock("key", "me")
        assert locks.acquire_lock("key", "you", acquire_timeout=0)
        locks.release_lock("key", "you")
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        memory.release_lock("forked", "me")
        os.close(reading)
        os.close(writing)


def test_a_timeout_ends_a_wait_for_a_lock(locks: LockManager, key: str) -> None:
    assert locks.acquire_lock(key, "one")
    begun = time.monotonic()
    with (
        pytest.raises(_strikes.Struck),
        _strikes.Strike(0.02) as strike,
        _strikes.spared(),
    ):
        locks.acquire_lock(key, "two")
    assert strike.due
    assert time.monotonic() > begun
    locks.release_lock(key, "one")
