"""An expensive result that several tasks ask for at once, and one of them computes."""

import threading

from towpath import flow, task
from towpath.cache_policies import INPUTS
from towpath.locking.memory import MemoryLockManager

computed: list[str] = []
together = threading.Barrier(3, timeout=60)
once = INPUTS.configure(isolation_level="SERIALIZABLE", lock_manager=MemoryLockManager())


@task
def arrive(name: str) -> str:
    together.wait()
    return name


@task(cache_policy=once, persist_result=True)
def embed(text: str) -> int:
    computed.append(text)
    return len(text)


@flow
def search() -> list[int]:
    texts = arrive.map(["cat", "cat", "cat"])
    return embed.map(texts).result()


def keep_apart() -> None:
    locks = MemoryLockManager()
    print(locks.acquire_lock("table", holder="a"), locks.is_lock_holder("table", "a"))
    print(locks.acquire_lock("table", holder="b", acquire_timeout=0.01))
    locks.release_lock("table", holder="a")
    print(locks.is_locked("table"), locks.wait_for_lock("table", timeout=0.01))


if __name__ == "__main__":
    print(search())
    print(computed)
    keep_apart()
