"""`poe bench NAME [options]` runs a benchmark, `poe bench` lists them.

docs/benchmarks.md tells the methods and the numbers of the last runs.
"""

from __future__ import annotations

import sys
from typing import Final

from tests.benchmarks.command import run_command

BENCHMARKS: Final = {
    "engine": "tests.benchmarks.engine",
    "memory": "tests.benchmarks.memory",
    "ingest": "tests.benchmarks.ingest",
    "fleet": "tests.benchmarks.fleet",
    "growth": "tests.benchmarks.growth",
    "latency": "tests.benchmarks.latency",
    "identity": "tests.benchmarks.identity",
    "fairness": "tests.benchmarks.fairness",
    "telemetry": "tests.benchmarks.telemetry",
    "reads": "tests.benchmarks.reads",
    "limits": "tests.benchmarks.limits",
    "work": "tests.benchmarks.work.rows",
    "runners": "tests.benchmarks.runners",
    "compare": "tests.benchmarks.compared.compare",
}

if __name__ == "__main__":
    sys.exit(run_command(BENCHMARKS, sys.argv[1:]))
