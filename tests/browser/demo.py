"""Flows that fill the pages: their runs succeed, fail, are tried again, time out, call others."""

from __future__ import annotations

import logging
import sys
import time

from towpath import flow, get_run_logger, task
from towpath.artifacts import create_table_artifact

HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>\u202etxt.exe'
"""Text that must stay text: markup, and a mark that turns the direction of what follows."""


@task(retries=2, retry_delay_seconds=0.05)
def fetch(region: str) -> int:
    tries = _tries[region] = _tries.get(region, 0) + 1
    time.sleep(0.01)
    if region == "south" and tries < 3:
        raise ConnectionError(f"orders/{region}: connection reset by peer")
    get_run_logger().info("fetched %d orders of %s", 100 * len(region), region)
    return 100 * len(region)


_tries: dict[str, int] = {}


@task
def clean(orders: int) -> int:
    time.sleep(0.01)
    if orders < 0:
        raise ValueError(f"{orders} orders")
    return orders


@task
def load(parts: list[int]) -> int:
    get_run_logger().info("loaded %d orders", sum(parts))
    return sum(parts)


@flow(name="orders-nightly")
def orders(regions: tuple[str, ...] = ("north", "east", "south", "west")) -> int:
    get_run_logger().info("loading the orders of %d regions", len(regions))
    loaded = load.submit(clean.map(fetch.map(regions))).result()
    create_table_artifact([{"region": region, "text": HOSTILE} for region in regions], key="orders")
    return loaded


@task
def parse(line: str) -> float:
    get_run_logger().warning("line %r has a comma for a point", line)
    return float(line)


@task
def total(amounts: list[float]) -> float:
    return sum(amounts)


@flow(name="invoices-to-ledger")
def invoices(lines: tuple[str, ...] = ("12.50", "7,20", "3.10")) -> float:
    return total.submit(parse.map(lines)).result()


@task(timeout_seconds=0.1)
def score(customer: int) -> int:
    time.sleep(0.3 if customer == 3 else 0.005)
    return customer * customer


@flow(name="customer-scores")
def scores(customers: int = 8) -> int:
    return sum(future.result() for future in score.map(range(customers)))


@flow(name="quality-check")
def check(rows: int) -> bool:
    return clean(rows) > 0


@flow(name="warehouse-rebuild")
def warehouse() -> int:
    if check(400):
        return orders()
    return 0


@flow(name=f"odd {HOSTILE}")
def odd(text: str = HOSTILE) -> None:
    get_run_logger().error("%s \x1b[31mred\x1b[0m", text)
    get_run_logger().info("x" * 20_000)
    raise RuntimeError(f"{text} {'y' * 5_000}")


@task
def extract(part: int) -> int:
    return part


@task
def transform(part: int) -> int:
    if part in {700, 1400, 2100}:
        raise ValueError(f"part {part} has no header")
    return part


@flow(name="archive-import")
def archive(parts: int = 2500) -> int:
    first = [future.wait() for future in transform.map(extract.map(range(parts)))]
    return len(first)


@flow(name="long-wait")
def wait(seconds: float = 600.0) -> None:
    """Runs while the pages are looked at; no run of it has ever completed."""
    print("waiting", flush=True)  # noqa: T201 - tests wait for it
    time.sleep(seconds)


FLOWS = (orders, invoices, scores, warehouse, odd)


def main(rounds: int = 1) -> None:
    """Runs every flow, also after one has failed."""
    logging.getLogger("towpath").setLevel(logging.CRITICAL)
    for _ in range(rounds):
        for each in FLOWS:
            _tries.clear()
            each(return_state=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["archive"]:
        archive(*map(int, sys.argv[2:3]), return_state=True)
    elif sys.argv[1:2] == ["wait"]:
        wait(return_state=True)
    else:
        main(*map(int, sys.argv[1:2]))
