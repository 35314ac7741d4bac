"""Workers, shims, runs and the server are killed and stopped at random; each run ends, and once.

A short form runs always, a thousand cycles with --soak. The seed of a failing cycle is in its
message.
"""

from __future__ import annotations

import random
import signal
import sqlite3
import time
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from towpath._work.folders import run_folders

from tests.chaos.work_places import processes_of, signal_to
from tests.scenarios.servers import Server, wait_until
from tests.scenarios.work_sites import Site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from towpath._work.folders import ShimState

pytestmark = pytest.mark.subject("work")

SHORT_CYCLES = 4
SOAK_CYCLES = 1000
RUNS_OF_A_CYCLE = 2
WORKERS = ("w-1", "w-2")
FLOW = """
import fcntl, os, time
from pathlib import Path
from towpath import flow, task

def note(place, word):
    line = f"{word} {os.environ['TOWPATH_RUN_ID']} {os.environ['TOWPATH_WORK_LEASE_ID']}\\n"
    with (Path(place) / "witness").open("a") as file:
        file.write(line)

@task
def step(seconds: float) -> None:
    time.sleep(seconds)

@flow
def marks(place: str, seconds: float) -> None:
    # The kernel lets go of it when the process is gone, and not before.
    lock = (Path(place) / os.environ["TOWPATH_RUN_ID"]).open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        note(place, "overlap")
    note(place, "begin")
    for _ in range(3):
        step(seconds / 3)
    note(place, "end")
"""


@pytest.fixture
def cycles(request: pytest.FixtureRequest) -> int:
    return SOAK_CYCLES if request.config.getoption("--soak") else SHORT_CYCLES


class Faults:
    """Strikes at what belongs to a site."""

    def __init__(self, site: Site, chance: random.Random) -> None:
        self.site = site
        self.chance = chance
        self.log: list[str] = []

    def strike(self) -> None:
        """One fault, and its end."""
        fault = self.chance.choice(
            (
                *(self.worker_killed, self.worker_stopped, self.server_killed),
                *(self.shim_killed, self.run_killed, self.run_stopped, self.shim_stopped),
            )
        )
        self.log.append(fault.__name__)
        fault()

    def worker_killed(self) -> None:
        number = self.chance.randrange(len(WORKERS))
        self.site.workers[number].kill()
        self.site.workers[number].wait()
        start_worker(self.site, number)

    def worker_stopped(self) -> None:
        self._stop(self.chance.choice(self.site.workers).pid)

    def server_killed(self) -> None:
        self.site.server.kill()
        time.sleep(self.chance.uniform(0.0, 1.0))
        self.site.server.start()

    def shim_killed(self) -> None:
        if found := self._living():
            signal_to(found.pid, signal.SIGKILL)

    def run_killed(self) -> None:
        if (found := self._living()) and found.run_pid:
            signal_to(found.run_pid, signal.SIGKILL)

    def run_stopped(self) -> None:
        if (found := self._living()) and found.run_pid:
            self._stop(found.run_pid)

    def shim_stopped(self) -> None:
        if found := self._living():
            self._stop(found.pid)

    def _stop(self, pid: int) -> None:
        signal_to(pid, signal.SIGSTOP)
        time.sleep(self.chance.uniform(0.1, 1.0))
        signal_to(pid, signal.SIGCONT)

    def _living(self) -> ShimState | None:
        """A shim of the site that lives."""
        found = [
            state
            for folder in run_folders(self.site.server.home)
            if folder.end() is None and (state := folder.shim_state()) is not None
        ]
        return self.chance.choice(found) if found else None


def start_worker(site: Site, number: int) -> None:
    """Starts a worker in the place of one that has ended."""
    site.start_worker("--name", WORKERS[number], "--limit", "4")
    if len(site.workers) > len(WORKERS):
        site.workers[number] = site.workers.pop()


def rows_of(database: Path, table: str) -> int:
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    server = Server(home=tmp_path / "home")
    server.start()
    with closing(Site(server)) as made:
        (made.folder / "marks.py").write_text(FLOW)
        made.client.pools.update("local", lease_duration=timedelta(seconds=5))
        made.deploy("marks", file="marks.py", max_crash_retries=2)
        for number in range(len(WORKERS)):
            start_worker(made, number)
        yield made
    server.kill()


@pytest.mark.timeout(7200)
def test_each_run_ends_and_is_executed_by_one_process_at_a_time(
    site: Site, tmp_path: Path, cycles: int
) -> None:
    home = site.server.home
    for number in range(cycles):
        faults = Faults(site, random.Random(9000 + number))
        try:
            runs = [
                site.begin("marks", place=str(tmp_path), seconds=faults.chance.uniform(0.2, 1.0))
                for _ in range(RUNS_OF_A_CYCLE)
            ]
            time.sleep(faults.chance.uniform(0.0, 2.0))
            faults.strike()
            for run_id in runs:
                site.ended(run_id)
        except BaseException as error:
            error.add_note(f"in cycle {number}: {faults.log}")
            raise
    wait_until(lambda: rows_of(home / "towpath.db", "work_lease") == 0, "no lease is left")
    wait_until(lambda: rows_of(home / "towpath.db", "queued") == 0, "nothing waits in a queue")
    wait_until(lambda: processes_of(home) == [], "no process of a run is left")
    witness = (tmp_path / "witness").read_text().split("\n")
    assert [line for line in witness if line.startswith("overlap")] == []
    begun = [line for line in witness if line.startswith("begin")]
    assert len(begun) == len(set(begun)), "a lease was executed twice"
