"""Orders are read from a file, cleaned, and loaded into a database."""

import csv
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

from towpath import flow, task

ROWS = [["1", "rope", "2.50"], ["2", "lamp", "oops"], ["3", "tent", "80"], ["4", "", "5"]]
attempts = 0


@task(retries=2, retry_delay_seconds=0)
def extract(file: Path) -> list[list[str]]:
    global attempts
    attempts += 1
    if attempts == 1:
        raise OSError("the share is not mounted yet")
    with file.open(newline="") as lines:
        return list(csv.reader(lines))


@task
def clean(rows: list[list[str]]) -> tuple[list[tuple[int, str, float]], list[str]]:
    good: list[tuple[int, str, float]] = []
    bad: list[str] = []
    for number, item, price in rows:
        try:
            if not item:
                raise ValueError("no item")
            good.append((int(number), item, float(price)))
        except ValueError as error:
            bad.append(f"order {number}: {error}")
    return good, bad


@task
def load(rows: list[tuple[int, str, float]], database: Path) -> int:
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT, price REAL)")
        connection.executemany("INSERT INTO orders VALUES (?, ?, ?)", rows)
        (count,) = connection.execute("SELECT count(*) FROM orders").fetchone()
    connection.close()
    return int(count)


@flow
def etl(folder: Path) -> dict[str, Any]:
    rows: Any = extract.submit(folder / "orders.csv")
    good, bad = clean(rows)
    return {"loaded": load(good, folder / "orders.db"), "rejected": bad}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        with (Path(name) / "orders.csv").open("w", newline="") as lines:
            csv.writer(lines).writerows(ROWS)
        report = etl(Path(name))
    print(report["loaded"], "loaded in attempt", attempts)
    for line in report["rejected"]:
        print(line)
