"""Files that are published together, or not at all; and an invoice that is paid once."""

from typing import Any

from towpath import flow, task
from towpath.transactions import CommitMode, get_transaction, transaction

published: list[str] = []


@task
def publish(name: str) -> str:
    within = get_transaction()
    if within is not None:
        within.set("name", name)
    published.append(name)
    return name


@publish.on_rollback
def withdraw(txn: Any) -> None:
    print("withdraw", txn.get("name"), "of", txn.get("day"))
    published.remove(txn.get("name"))


@publish.on_commit
def announce(txn: Any) -> None:
    print("announce", txn.get("name"), "of", txn.get("day"))


@task
def check(rows: int) -> None:
    if rows < 10:
        raise ValueError(f"only {rows} rows")


@flow
def nightly(day: str, rows: int) -> int:
    with transaction() as txn:
        txn.set("day", day)
        publish("table")
        with transaction(commit_mode=CommitMode.EAGER):
            publish("log")
        publish("chart")
        check(rows)
    return len(published)


@flow
def pay(invoice: str) -> str:
    with transaction(key=f"invoice-{invoice}") as txn:
        if txn.is_committed():
            return f"{invoice} is paid"
        return f"paying {invoice}"


if __name__ == "__main__":
    print(nightly("monday", 12))
    try:
        nightly("tuesday", 3)
    except ValueError as error:
        print(error)
    print(published)
    print(pay("4711"))
    print(pay("4711"))
