"""Work, a row at a time: `poe bench work ROW`; docs/benchmarks.md tells what each row measures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.benchmarks.command import Benchmark, positive
from tests.benchmarks.work import beside_prefect, claims, idle, slots, times

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

ROWS: Final[dict[str, tuple[int, Callable[[argparse.Namespace, int], None]]]] = {
    "trigger": (20, lambda given, size: times.measure_trigger(given.database, size)),
    "many": (200, lambda given, size: times.measure_many(given.database, size, given.limit)),
    "due": (50, lambda given, size: times.measure_due(given.database, size)),
    "claims": (3_000, lambda given, size: claims.measure(given.database, size)),
    "slots": (10_000, lambda given, size: slots.measure(given.database, size, given.seconds)),
    "renewals": (
        1_000,
        lambda given, size: idle.measure_renewals(given.database, size, given.seconds),
    ),
    "idle": (
        10_000,
        lambda given, size: idle.measure_idle(given.database, size, given.workers, given.seconds),
    ),
    "prefect": (
        20,
        lambda given, size: beside_prefect.measure(given.prefect, size, given.runs, given.limit),
    ),
}
"""Each row with its default size, and how it is measured."""


def _run(options: argparse.Namespace) -> None:
    size, measure = ROWS[options.row]
    for _ in range(options.rounds):
        measure(options, options.size or size)


def _add_options(parser: argparse.ArgumentParser) -> None:
    sizes = ", ".join(f"{name} {size:,}" for name, (size, _) in ROWS.items())
    parser.add_argument("row", choices=ROWS, nargs="?", default="claims", help="what to measure")
    parser.add_argument(
        "--size", type=positive, help=f"runs, claims, schedules or workers of the row ({sizes})"
    )
    parser.add_argument("--rounds", type=positive, default=1, help="times that the row is measured")
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="postgres")
    parser.add_argument(
        "--seconds", type=float, default=5.0, help="of slots, renewals, idle: how long it counts"
    )
    parser.add_argument("--limit", type=positive, default=8, help="of many, prefect: processes")
    parser.add_argument("--workers", type=positive, default=100, help="of idle: attached workers")
    parser.add_argument("--runs", type=positive, default=200, help="of prefect: runs of a no-op")
    parser.add_argument(
        "--prefect", type=Path, help="of prefect: its virtual environment, made if need be"
    )


BENCHMARK = Benchmark(
    summary="deployments, schedules and workers, a row at a time",
    method=(
        "a server process on a database that is filled beforehand, with real or simulated workers;"
        " claims are made in this process, in turns with the database's own client."
    ),
    add_options=_add_options,
    run=_run,
)
