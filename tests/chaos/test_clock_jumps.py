"""The time of day jumps: nobody who lives is given up, nothing is lost, and order stays."""

from __future__ import annotations

import subprocess
import threading
from collections import defaultdict
from contextlib import closing
from typing import TYPE_CHECKING

import grpc
import pytest
import uuid_utils
from towpath.api.v1 import ingest_service_pb2 as pb
from towpath.api.v1 import ingest_service_pb2_grpc, run_service_pb2, run_service_pb2_grpc
from towpath_service.runs.domain.states import RunState

from tests.benchmarks.producer import WORKSPACE, creation
from tests.chaos.altered import AlteredServer
from tests.chaos.clocks import JumpingClock
from tests.chaos.history import recorded_runs, rows, unfinished, violations
from tests.chaos.ledger import wrongs
from tests.chaos.lockstep import Lockstep
from tests.chaos.pipeline import WIDTH
from tests.chaos.processes import PIPELINE, Site, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.subject("delivery", "runs")

HOUR, YEAR = 3600, 365 * 86_400
NOTICED = "producers get their time anew"
JUMPS = (HOUR, -HOUR, YEAR, 0)
SILENCE_SECONDS = 8.0
WAVES = 4


@pytest.fixture
def clock(tmp_path: Path) -> JumpingClock:
    return JumpingClock(tmp_path)


@pytest.fixture
def server(tmp_path: Path, clock: JumpingClock) -> Iterator[AlteredServer]:
    made = AlteredServer(
        home=tmp_path / "home", silence_seconds=SILENCE_SECONDS, wrapper=clock.wrapper
    )
    made.start()
    yield made
    made.stop()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    home = tmp_path / "site"
    home.mkdir()
    made = Site(home=home)
    made.start_server()
    yield made
    made.stop_server()


class Watch:
    """Reads all transitions of the workspace from a stream that must not end."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.seen: dict[str, list[int]] = defaultdict(list)
        self.count = 0
        self.ended = False
        self.error = ""
        request = run_service_pb2.WatchRunTransitionsRequest(parent=WORKSPACE)
        stub = run_service_pb2_grpc.RunServiceStub(channel)
        self._call = stub.WatchRunTransitions(request)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._call.cancel()
        self._thread.join(timeout=10)

    def _read(self) -> None:
        try:
            for answer in self._call:
                for item in answer.transitions:
                    self.seen[item.run_id].append(item.revision)
                    self.count += 1
        except grpc.RpcError as error:
            self.error = str(error)
        finally:
            self.ended = True


class Beating:
    """A producer without a stream, whose run goes on while it says no more than that it lives."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.run_id = str(uuid_utils.uuid7())
        self.is_silent = threading.Lock()
        """Who holds it knows that nothing was said meanwhile."""
        self._stub = ingest_service_pb2_grpc.IngestServiceStub(channel)
        self._producer_id = str(uuid_utils.uuid7())
        self._sequence = 0
        self._over = threading.Event()
        beginning = creation(self.run_id, 0, self.run_id)
        beginning.create.ClearField("parent_run_id")
        self._record(beginning)
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self._thread.join(timeout=30)

    def _beat(self) -> None:
        while not self._over.wait(SILENCE_SECONDS / 6):
            update = pb.Update(run_id=self.run_id, heartbeat=pb.RunHeartbeat())
            update.occur_time.GetCurrentTime()
            with self.is_silent:
                self._record(update)

    def _record(self, update: pb.Update) -> None:
        self._sequence += 1
        batch = pb.UpdateBatch(first_sequence=self._sequence, updates=[update])
        self._stub.RecordUpdates(
            pb.RecordUpdatesRequest(workspace=WORKSPACE, producer_id=self._producer_id, batch=batch)
        )


class Streaming:
    """A producer that sends small batches all the time, over one stream."""

    def __init__(self, address: str) -> None:
        self.producer = Lockstep(address)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def wait_progress(self) -> None:
        goal = self.producer.ledger.acked + 10
        wait_until(lambda: self.producer.ledger.acked >= goal, "the producer gets acks")

    def close(self) -> None:
        self._over.set()
        self._thread.join(timeout=30)
        self.producer.close()

    def _send(self) -> None:
        while not self._over.wait(0.01):
            self.producer.send()


class Quiet:
    """A producer whose run goes on while it says nothing; its stream is open until it is lost."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.run_id = str(uuid_utils.uuid7())
        self._over = threading.Event()
        stub = ingest_service_pb2_grpc.IngestServiceStub(channel)
        answers = stub.StreamUpdates(self._requests())
        assert next(answers).HasField("opened")
        assert next(answers).ack.committed_sequence == 1
        self._answers = answers

    def lose(self) -> None:
        self._over.set()
        self._answers.cancel()

    def _requests(self) -> Iterator[pb.StreamUpdatesRequest]:
        opening = pb.OpenStream(workspace=WORKSPACE, producer_id=str(uuid_utils.uuid7()))
        yield pb.StreamUpdatesRequest(open=opening)
        update = creation(self.run_id, 0, self.run_id)
        update.create.ClearField("parent_run_id")
        batch = pb.UpdateBatch(first_sequence=1, updates=[update])
        yield pb.StreamUpdatesRequest(batch=batch)
        self._over.wait()


def state_of(server: AlteredServer, run_id: str) -> RunState:
    query = f"SELECT state FROM run WHERE run_id = '{run_id}'"
    return RunState(rows(server.database, query)[0][0][0])


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("rounds", [1], indirect=True)
def test_a_server_whose_clock_jumps_gives_up_the_lost_and_nobody_else(
    server: AlteredServer, clock: JumpingClock, rounds: int
) -> None:
    with (
        server.channel() as channel,
        closing(Streaming(server.address)) as streaming,
        closing(Watch(channel)) as watch,
        closing(Beating(channel)) as beating,
    ):
        living = Quiet(channel)
        for number, jump in enumerate(JUMPS * rounds, 1):
            told, lost = watch.count, Quiet(channel)
            lost.lose()
            with beating.is_silent:
                clock.move(jump)
                wait_until(lambda n=number: server.log.count(NOTICED) >= n, "the jump is seen")  # type: ignore[misc]
            streaming.wait_progress()
            wait_until(lambda told=told: watch.count > told, "the watch goes on")  # type: ignore[misc]
        wait_until(
            lambda: state_of(server, lost.run_id) is RunState.CRASHED,
            "a producer that is lost is given up",
        )
        for run_id in (living.run_id, beating.run_id):
            assert state_of(server, run_id) is RunState.RUNNING
        assert streaming.producer.errors == 0
        assert not watch.ended, watch.error
        living.lose()
    runs = recorded_runs(server.database)
    assert [step.to_state for step in runs[beating.run_id].steps] == [RunState.RUNNING]
    assert wrongs(server.database, [streaming.producer.ledger]) == []
    assert_in_order(server, watch)


def assert_in_order(server: AlteredServer, watch: Watch) -> None:
    """What the watch saw of each run has no gap and no repeat, and agrees with what is stored."""
    stored = recorded_runs(server.database)
    for run_id, revisions in watch.seen.items():
        first = revisions[0]
        assert revisions == list(range(first, first + len(revisions)))
        assert revisions[-1] <= stored[run_id].revision
    crashed = {run.reason for run in stored.values() if run.state is RunState.CRASHED}
    assert crashed == {"PRODUCER_LOST"}


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("rounds", [1], indirect=True)
def test_a_pipeline_whose_clock_jumps_is_recorded_whole(
    clock: JumpingClock, site: Site, tmp_path: Path, rounds: int
) -> None:
    for number in range(rounds):
        run_with_jumps(site, clock, tmp_path / f"witness-{number}")
        assert site.command("sync").returncode == 0
    assert unfinished(site.database) == []
    assert violations(site.database) == []
    runs = recorded_runs(site.database)
    assert len(runs) == rounds * (1 + WAVES * (1 + WIDTH + 2))
    assert {run.state for run in runs.values()} == {RunState.COMPLETED}


def run_with_jumps(site: Site, clock: JumpingClock, witness: Path) -> None:
    log = site.home / "pipeline.log"
    with log.open("ab") as output:
        pipeline = subprocess.Popen(
            clock.python(PIPELINE, str(witness), str(WAVES)),
            env=site.environment,
            stdout=output,
            stderr=output,
        )
    for jump in (*JUMPS, HOUR):
        before = size_of(witness)
        clock.move(jump)
        wait_until(
            lambda before=before: size_of(witness) > before or pipeline.poll() is not None,  # type: ignore[misc]
            "the pipeline goes on",
        )
    assert pipeline.wait(timeout=240) == 0, log.read_text()


def size_of(witness: Path) -> int:
    return witness.stat().st_size if witness.exists() else 0
