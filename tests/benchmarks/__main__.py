"""The engine against a real server on SQLite: `poe bench [tasks]`, `poe bench memory [tasks]`.

docs/benchmarks.md tells the method.
"""

from __future__ import annotations

import sys

from tests.benchmarks.memory import TASKS, measure_memory
from tests.benchmarks.site import running_site
from tests.benchmarks.speed import measure_speed

SPEED_TASKS = 5000


def main(arguments: list[str]) -> None:
    """Measures speed, or memory when asked for."""
    memory = arguments[:1] == ["memory"]
    tasks = [int(argument) for argument in arguments[memory:]]
    with running_site() as site:
        if memory:
            measure_memory(site, *(tasks or [TASKS]))
        else:
            measure_speed(site, *(tasks or [SPEED_TASKS]))


if __name__ == "__main__":
    main(sys.argv[1:])
