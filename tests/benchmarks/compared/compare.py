"""Towpath beside Prefect 3: `poe bench compare`.

docs/benchmarks.md tells the method and what a run showed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.command import Benchmark, positive
from tests.benchmarks.compared.prefect_environment import REQUIREMENTS, prefect_python
from tests.benchmarks.compared.ratios import comparison, medians
from tests.benchmarks.compared.sides import Prefect, Towpath
from tests.benchmarks.compared.turns import take_turn

if TYPE_CHECKING:
    import argparse

    from tests.benchmarks.compared.turns import Turn


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=positive, default=3, help="turns of each side")
    parser.add_argument(
        "--tasks", type=positive, nargs="+", default=[200, 1000], help="sizes of both sides"
    )
    parser.add_argument(
        "--more", type=positive, nargs="*", default=[5000], help="sizes of Towpath alone"
    )
    parser.add_argument(
        "--prefect-venv",
        type=Path,
        help="Prefect's virtual environment, made if need be; else one in the user's cache",
    )


def _run(options: argparse.Namespace) -> None:
    prefect = Prefect(python=prefect_python(options.prefect_venv))
    towpath = Towpath()
    ours: list[Turn] = []
    theirs: list[Turn] = []
    for number in range(1, options.rounds + 1):
        print(f"round {number} of {options.rounds}")
        ours.append(_shown("Towpath", take_turn(towpath, [*options.tasks, *options.more])))
        theirs.append(_shown("Prefect", take_turn(prefect, options.tasks)))
    print(*comparison(medians(ours), medians(theirs)), sep="\n")


def _shown(name: str, turn: Turn) -> Turn:
    print(f"  {name}: import {turn.import_seconds:.2f} s, idle {turn.idle_megabytes:.0f} MB")
    for one in turn.timed:
        print(
            f"  {name}: {one.pipeline:9} {one.tasks:6,} tasks {one.rate:8,.0f} tasks/s,"
            f" recorded {one.lag:5.2f} s after the end",
            flush=True,
        )
    return turn


BENCHMARK = Benchmark(
    summary="the engine beside Prefect 3, each with a server of its own, in turns",
    method=(
        "the same flows of no-op tasks but for the import line, on Towpath and on"
        f" {' with '.join(REQUIREMENTS)}, in turns, each turn with a new server on SQLite and a new"
        " pipeline process, 16 threads; the rate is from the flow's call to its return, the lag"
        " from there until the server has all task runs as completed; medians of the rounds."
    ),
    add_options=_add_options,
    run=_run,
)
