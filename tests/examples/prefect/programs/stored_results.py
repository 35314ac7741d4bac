"""Large results that don't stay in memory, and a store that is read by key."""

import tempfile

from towpath import flow, task
from towpath.filesystems import LocalFileSystem
from towpath.results import ResultStore

folder = tempfile.mkdtemp()


@task(persist_result=True, cache_result_in_memory=False, result_storage_key="{parameters[day]}")
def load(day: str) -> list[int]:
    return [len(day)] * 3


@task
def total(rows: list[int]) -> int:
    return sum(rows)


@flow
def report() -> list[int]:
    days = load.map(["monday", "tuesday"])
    return [total.submit(day).result() for day in days] + days[0].result()


def keep() -> None:
    store = ResultStore(result_storage=LocalFileSystem(basepath=folder))
    print(store.exists("summary"))
    store.write({"rows": 39}, key="summary")
    print(store.exists("summary"), store.read("summary").result)


if __name__ == "__main__":
    print(report())
    keep()
