"""Times of runs: from trigger to first line, from due time to claim, and of many at once."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final

from towpath_service.runs.domain.states import RunState

from tests.benchmarks.work.filling import SECOND, fill_staggered, fill_waiting
from tests.benchmarks.work.places import percentiles, prepared
from tests.benchmarks.work.streams import attached
from tests.scenarios.servers import wait_until
from tests.scenarios.work_sites import Site

if TYPE_CHECKING:
    from pathlib import Path

FLOWS: Final = """
import time
from pathlib import Path
from towpath import flow

@flow
def tells(place: str) -> None:
    Path(place).write_text(repr(time.time()))

@flow
def nothing() -> None:
    pass
"""
IMPORT: Final = (sys.executable, "-c", "import towpath; towpath.flow")
COMPLETED: Final = int(RunState.COMPLETED)
LEAD_SECONDS: Final = 8.0
"""From writing schedules to the first due time; longer than the pause of the scheduler."""
GAP_US: Final = 200_000


def measure_trigger(database: str, size: int) -> None:
    """Measures the way of runs to an idle worker of processes.

    Args:
        database: sqlite or postgres.
        size: Number of runs, one after the other.
    """
    with prepared(database) as place, place.serving() as server:
        site = Site(server)
        try:
            (site.folder / "told.py").write_text(FLOWS)
            site.start_worker()
            site.deploy("tells", file="told.py")
            _trigger(site, site.folder / "warm")
            took: list[float] = []
            imports: list[float] = []
            for number in range(size):
                took.append(_trigger(site, site.folder / f"first-line-{number}"))
                began = time.perf_counter()
                subprocess.run(IMPORT, check=True)
                imports.append((time.perf_counter() - began) * 1e3)
        finally:
            site.close()
    print(
        f"trigger to first line, {size} runs: {percentiles(took)} (p95 at most 500); an interpreter"
        f" that only imports towpath, in turns with them: {percentiles(imports)}; ratio of the"
        f" medians {statistics.median(took) / statistics.median(imports):.2f}"
    )


def _trigger(site: Site, file: Path) -> float:
    """Milliseconds from the call that creates a run to its first line."""
    began = time.time()
    run_id = site.begin("tells", place=str(file))
    assert site.ended(run_id).state.name == "COMPLETED"
    return (float(file.read_text()) - began) * 1e3


def measure_many(database: str, size: int, limit: int) -> None:
    """Measures runs of a deployment that does nothing, all triggered at once.

    Args:
        database: sqlite or postgres.
        size: Number of runs.
        limit: Most processes at a time.
    """
    with prepared(database) as place, place.serving() as server:
        site = Site(server)
        try:
            (site.folder / "told.py").write_text(FLOWS)
            site.start_worker("--limit", str(limit))
            site.deploy("nothing", file="told.py")
            site.ended(site.begin("nothing"))
            began = time.perf_counter()
            run_ids = [site.begin("nothing") for _ in range(size)]
            created = time.perf_counter() - began
            ended = f"SELECT coalesce(sum(runs), 0) FROM run_count WHERE state = {COMPLETED}"
            wait_until(
                lambda: _pause() and int(place.rows(ended)[0][0]) > size, "all runs end", 60 + size
            )
            took = time.perf_counter() - began
            assert site.ended(run_ids[-1]).state.name == "COMPLETED"
        finally:
            site.close()
    print(
        f"{size} runs of a no-op deployment, {limit} at a time: from the first trigger to the last"
        f" end {took:.1f} s, {size / took:.1f} runs/s (created after {created:.1f} s)"
    )


def _pause() -> bool:
    time.sleep(0.1)
    return True


def measure_due(database: str, size: int) -> None:
    """Measures the time from when a schedule is due to when a worker has its run.

    Args:
        database: sqlite or postgres.
        size: Number of schedules, due one after the other.
    """
    with prepared(database) as place:
        asyncio.run(fill_waiting(place.location, 0))
        with place.serving() as server, attached(server.address, 1, size) as lines:
            first_us = int((time.time() + LEAD_SECONDS) * SECOND)
            asyncio.run(fill_staggered(place.location, size, first_us, GAP_US))
            granted = dict(lines.readline().split() for _ in range(size))
            rows = place.rows("SELECT run_id, scheduled_us FROM run")
    due = {str(run_id): int(scheduled_us) for run_id, scheduled_us in rows}
    took = [(int(granted_us) - due[run_id]) / 1e3 for run_id, granted_us in granted.items()]
    print(
        f"due time to claim, as the worker has it, {size} runs: {percentiles(took)}"
        " (p95 at most 100)"
    )
