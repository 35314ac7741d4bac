"""Work that goes on under faults: PostgreSQL, two replicas, two workers, and a slot each second."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import psutil
from towpath._delivery.outbox import LEASE_VARIABLE
from towpath._settings.current import get_settings
from towpath._transport.opening import open_grpc
from towpath._work import shim
from towpath._work.folders import run_folders
from towpath.client import Client, DeploymentSpec
from towpath.exceptions import RpcError
from towpath.schedules import Interval
from towpath_service.runs.domain.states import TERMINAL_STATES, RunState
from towpath_service.work.domain.slot_policy import SlotOutcome

from tests.chaos.failing import python_of_runs
from tests.chaos.failpoints import SERVER, WORKER, Failpoints
from tests.chaos.history import rows
from tests.chaos.processes import wait_until
from tests.chaos.proxy import FaultProxy
from tests.forkserver.processes import started
from tests.scenarios.servers import Server, environment

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Mapping

    from towpath._work.folders import ShimState
    from towpath.schedules import Schedule

    from tests.chaos.failpoints import Act, Point
    from tests.forkserver.client import Forked
    from tests.postgres import PostgresServer

HEALED_SECONDS = 60.0
"""Longest that a run may take to end once all that was broken works again."""
SECOND_US = 1_000_000
NIGHTLY = "marks/nightly"
EACH_SECOND = Interval(1, catch_up="all")
"""A night in a second."""
ONE_AT_A_TIME = Interval(1, catch_up="all", overlap="skip")
FLOW = """
import fcntl, os
from pathlib import Path
from towpath import flow, task

def note(place, word):
    line = f"{word} {os.environ['TOWPATH_RUN_ID']} {os.environ['TOWPATH_WORK_LEASE_ID']}\\n"
    with (Path(place) / "witness").open("a") as file:
        file.write(line)

@task
def step(number: int) -> int:
    return number

@flow
def marks(place: str) -> int:
    # The kernel lets go of it when the process is gone, and not before.
    lock = (Path(place) / os.environ["TOWPATH_RUN_ID"]).open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        note(place, "overlap")
    note(place, "begin")
    done = sum(step(number) for number in range(3))
    note(place, "end")
    return done
"""


class Slot(NamedTuple):
    """A row of what was decided."""

    schedule_id: str
    slot_us: int
    outcome: int
    run_id: object
    count: int


@dataclass(slots=True)
class Replica(Server):
    """A server process with failpoints."""

    points: Path = Path()

    def _command(self) -> tuple[str, list[str]]:
        ports = ("--port", str(self.port), "--web-port", str(self.web_port))
        command = ("towpath_service", "start", *ports, "--database", self.dsn)
        return "tests.chaos.failing", [str(self.points), ".", *command]


@dataclass(slots=True)
class Place:
    """A database, replicas behind a load balancer, and workers of one home."""

    postgres: PostgresServer
    folder: Path
    points: Failpoints
    replicas: list[Replica]
    balancer: FaultProxy
    workers: list[subprocess.Popen[bytes] | Forked] = field(
        default_factory=list["subprocess.Popen[bytes] | Forked"]
    )

    @property
    def home(self) -> Path:
        """The workers' home."""
        return self.folder / "home"

    @property
    def dsn(self) -> str:
        """The database."""
        return self.postgres.dsn()

    def start_worker(self, number: int) -> None:
        """Starts a worker, in the place of one that has ended."""
        variables = environment(self.home, TOWPATH_SERVER_ADDRESS=self.balancer.address)
        name = f"w-{number + 1}"
        command = ("worker", "start", "--pool", "local", "--name", name, "--limit", "4")
        with (self.folder / f"{name}.log").open("ab") as log:
            worker = started(
                "tests.chaos.failing",
                [str(self.folder / "points"), str(self.folder), "towpath", *command],
                environment=variables,
                files=(subprocess.DEVNULL, log, log),
            )
        self.workers[number : number + 1] = [worker]

    def call(self, work: Callable[[Client], Any]) -> Any:
        """Calls the service until it answers."""
        found: list[Any] = []

        def answered() -> bool:
            settings = get_settings().__class__(home=self.home)
            transport = open_grpc(settings, self.balancer.address)
            try:
                found.append(work(Client(transport)))
            except RpcError:
                time.sleep(0.05)
                return False
            finally:
                transport.close()
            return True

        wait_until(answered, "the service answers")
        return found[0]

    def begin(self, schedules: Mapping[str, Schedule]) -> None:
        """Has runs due from now on."""
        python = python_of_runs(self.folder / "points")
        template = {"stop_seconds": 0.2, "python": str(python)}

        def work(client: Client) -> None:
            client.pools.create("local", kind="process", job_template=template)
            client.pools.update("local", lease_duration=timedelta(seconds=10))
            spec = DeploymentSpec(
                entrypoint="marks.py:marks",
                flow_name="marks",
                pool="local",
                max_crash_retries=5,
                parameters={"place": str(self.folder)},
            )
            client.deployments.deploy(NIGHTLY, spec, schedules)

        self.call(work)

    def end(self) -> None:
        """Has no run due any more, and waits until all that is there has ended."""
        self.call(lambda client: client.deployments.set_paused(NIGHTLY, paused=True))
        wait_until(self._rests, "all runs have ended", HEALED_SECONDS)
        wait_until(lambda: processes_of(self.home) == [], "no process of a run is left")

    @property
    def slots(self) -> list[Slot]:
        """The decided slots, by schedule and time."""
        columns = ", ".join(Slot._fields)
        [found] = rows(self.dsn, f"SELECT {columns} FROM schedule_slot ORDER BY 1, 2")
        return [Slot(*row) for row in found]

    def _rests(self) -> bool:
        queries = ("SELECT state FROM run", "SELECT 1 FROM work_lease", "SELECT 1 FROM queued")
        states, leases, queued = rows(self.dsn, *queries)
        ended = all(RunState(row[0]) in TERMINAL_STATES for row in states)
        return ended and not leases and not queued

    def check(self) -> None:
        """Each slot is decided once, with a run; no lease was executed twice, no run at once."""
        slots = [slot for slot in self.slots if slot.outcome != SlotOutcome.SKIPPED_PAUSED]
        assert {slot.outcome for slot in slots} <= {SlotOutcome.RUN, SlotOutcome.SKIPPED_OVERLAP}
        for before, after in pairwise(slots):
            if before.schedule_id == after.schedule_id:
                # A row stands for so many slots, of which it names the last.
                assert after.slot_us - before.slot_us == after.count * SECOND_US, (before, after)
        runs = [slot.run_id for slot in slots if slot.outcome == SlotOutcome.RUN]
        assert len(set(runs)) == len(runs) > 0
        [found] = rows(self.dsn, "SELECT run_id FROM run WHERE parent_run_id IS NULL")
        assert {row[0] for row in found} == set(runs)
        witness = (self.folder / "witness").read_text().split("\n")
        assert [line for line in witness if line.startswith("overlap")] == []
        begun = [line for line in witness if line.startswith("begin")]
        assert len(begun) == len(set(begun)), "a lease was executed twice"

    def states(self) -> dict[str, int]:
        """How many of the slots' runs ended in which state."""
        [found] = rows(
            self.dsn, "SELECT state, count(*) FROM run WHERE parent_run_id IS NULL GROUP BY 1"
        )
        return {RunState(state).name: count for state, count in found}


class Faults:
    """Strikes at what belongs to a place, and heals it."""

    def __init__(self, place: Place, chance: random.Random) -> None:
        self.place = place
        self.chance = chance
        self.log: list[str] = []

    def at(self, point: Point, act: Act) -> None:
        """A process comes to a failpoint and kills or stops itself."""
        self.log.append(f"{act} at {point.name}")
        points = self.place.points
        points.arm(point.name, act)
        struck: list[int] = []
        if "attach" in point.name or "renew" in point.name:
            # No worker attaches again, or renews at once, unless its connection breaks.
            self.place.balancer.cut()

        def is_struck() -> bool:
            if pid := points.struck(point.name):
                struck.append(pid)
            return bool(struck)

        wait_until(is_struck, f"{point.name} is reached")
        if act == "stop":
            self._pause()
            signal_to(struck[0], signal.SIGCONT)
        elif point in SERVER:
            self._restart_replicas()
        elif point in WORKER:
            self._restart_workers()

    def directly(self) -> None:
        """A fault of any process at any moment."""
        time.sleep(self.chance.uniform(0.0, 0.3))
        fault = self.chance.choice(
            (
                *(self.worker_killed, self.worker_stopped, self.replica_killed),
                *(self.replica_stopped, self.shim_killed, self.shim_stopped, self.run_killed),
                *(self.run_stopped, self.database_killed, self.database_stopped),
            )
        )
        self.log.append(fault.__name__)
        fault()

    def worker_killed(self, number: int | None = None) -> None:
        number = self.chance.randrange(len(self.place.workers)) if number is None else number
        self.place.workers[number].kill()
        self._restart_workers()

    def worker_stopped(self) -> None:
        self._stopped(self.chance.choice(self.place.workers).pid)

    def replica_killed(self, number: int | None = None) -> None:
        number = self.chance.randrange(len(self.place.replicas)) if number is None else number
        self.place.replicas[number].kill()
        self._restart_replicas()

    def replica_stopped(self) -> None:
        self._stopped(self.chance.choice(self.place.replicas).pid)

    def shim_killed(self) -> None:
        if found := self._living():
            signal_to(found.pid, signal.SIGKILL)

    def shim_stopped(self) -> None:
        if found := self._living():
            self._stopped(found.pid)

    def run_killed(self) -> None:
        if (found := self._living()) and found.run_pid:
            signal_to(found.run_pid, signal.SIGKILL)

    def run_stopped(self) -> None:
        if (found := self._living()) and found.run_pid:
            self._stopped(found.run_pid)

    def database_killed(self) -> None:
        self.place.postgres.crash()
        self._pause()
        self.place.postgres.start()

    def database_stopped(self) -> None:
        postmaster = psutil.Process(self.place.postgres.pid)
        family = [postmaster, *postmaster.children(recursive=True)]
        for process in family:
            signal_to(process.pid, signal.SIGSTOP)
        self._pause()
        for process in family:
            signal_to(process.pid, signal.SIGCONT)

    def _pause(self) -> None:
        time.sleep(self.chance.uniform(0.05, 0.4))

    def _stopped(self, pid: int) -> None:
        signal_to(pid, signal.SIGSTOP)
        self._pause()
        signal_to(pid, signal.SIGCONT)

    def _restart_replicas(self) -> None:
        replicas = self.place.replicas
        wait_until(lambda: any(map(has_ended, replicas)), "the replica has ended")
        for replica in filter(has_ended, replicas):
            replica.start()

    def _restart_workers(self) -> None:
        workers = self.place.workers
        wait_until(lambda: any(it.poll() is not None for it in workers), "the worker has ended")
        for number, worker in enumerate(list(workers)):
            if worker.poll() is not None:
                self.place.start_worker(number)

    def _living(self) -> ShimState | None:
        """A shim of the place that lives; None if no run executes within some seconds."""
        deadline = time.monotonic() + 5.0
        while time.monotonic() < deadline:
            found = [
                state
                for folder in run_folders(self.place.home)
                if folder.end() is None and (state := folder.shim_state()) is not None
            ]
            if found:
                return self.chance.choice(found)
            time.sleep(0.02)
        return None


def has_ended(replica: Replica) -> bool:
    """Whether a replica was started and has ended."""
    return replica.process is not None and replica.process.poll() is not None


def signal_to(pid: int, number: int) -> None:
    """Signals a process that may have ended."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def processes_of(home: Path) -> list[int]:
    """The processes of all runs of a home, shims included."""
    found: list[int] = []
    for pid in shim.processes():
        with suppress(OSError):
            variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            is_ours = f"TOWPATH_HOME={home}".encode() in variables
            if is_ours and any(item.startswith(LEASE_VARIABLE.encode()) for item in variables):
                found.append(pid)
    return found


@contextmanager
def open_place(
    postgres: PostgresServer, folder: Path, schedules: Mapping[str, Schedule]
) -> Iterator[Place]:
    """Opens a place with runs that are due by schedules."""
    points = folder / "points"
    points.mkdir()
    (folder / "home").mkdir()
    (folder / "marks.py").write_text(FLOW)
    with ExitStack() as stack:
        replicas = [
            Replica(home=folder / f"replica-{number}", dsn=postgres.dsn(), points=points)
            for number in range(2)
        ]
        for replica in replicas:
            stack.callback(_kill_if_left, replica)
            replica.start()
        ports = [("127.0.0.1", replica.port) for replica in replicas]
        balancer = stack.enter_context(FaultProxy(*ports))
        place = Place(postgres, folder, Failpoints(points), replicas, balancer)
        stack.callback(_end_processes, place)
        place.begin(schedules)
        for number in range(2):
            place.start_worker(number)
        yield place


def _kill_if_left(replica: Replica) -> None:
    if replica.process is not None and replica.process.poll() is None:
        replica.kill()


def _end_processes(place: Place) -> None:
    for worker in place.workers:
        worker.kill()
        worker.wait()
    # Of a test that failed half-way: no process of a run outlives it.
    for pid in processes_of(place.home):
        signal_to(pid, signal.SIGKILL)
