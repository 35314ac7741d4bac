"""Models of a warehouse are built in the order of their dependencies, and tested."""

import sqlite3

from towpath import flow, task

MODELS = {
    "raw_orders": ([], "SELECT 1 AS id, 'rope' AS item UNION SELECT 2, 'lamp'"),
    "raw_prices": ([], "SELECT 'rope' AS item, 5 AS price UNION SELECT 'lamp', 20"),
    "orders": (
        ["raw_orders", "raw_prices"],
        "SELECT id, price FROM raw_orders JOIN raw_prices USING (item)",
    ),
    "revenue": (["orders"], "SELECT sum(price) AS total FROM orders"),
}
warehouse = sqlite3.connect(":memory:", check_same_thread=False)


@task(task_run_name="build {name}")
def build(name: str, query: str) -> str:
    warehouse.execute(f"CREATE TABLE {name} AS {query}")
    return name


@task
def check(name: str) -> str:
    (count,) = warehouse.execute(f"SELECT count(*) FROM {name}").fetchone()
    return f"{name}: {count} rows"


@flow
def run_models() -> list[str]:
    built: dict[str, object] = {}
    for name, (needs, query) in MODELS.items():
        waits = [built[each] for each in needs]
        built[name] = build(name, query, return_state=True, wait_for=waits)
    return [check(state) for state in built.values()]


if __name__ == "__main__":
    for line in run_models():
        print(line)
    print("revenue", *warehouse.execute("SELECT total FROM revenue").fetchone())
