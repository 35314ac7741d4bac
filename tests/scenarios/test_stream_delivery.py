"""What a living process reports over its stream to a real server, whatever happens to either."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from towpath.api.v1 import ingest_service_pb2 as pb
from towpath.api.v1 import ingest_service_pb2_grpc
from towpath_service.runs.domain.states import RunState

from tests.chaos.history import RecordedRun, recorded_runs, violations
from tests.postgres.server import name_of
from tests.scenarios.conftest import on_both_databases
from tests.scenarios.servers import DEADLINE_SECONDS, Server, environment, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.postgres.server import Databases

pytestmark = [pytest.mark.subject("delivery"), on_both_databases]

WORKSPACE = "workspaces/default"

# Runs as many tasks as each line of its input says, until the input ends.
TALKING = """
import ctypes, sys
from towpath import flow, task

@task
def step(n):
    return n

@flow
def talking():
    for line in sys.stdin:
        if line.startswith("hold"):
            ctypes.PyDLL(None).sleep(int(line.split()[1]))
        else:
            for n in range(int(line)):
                step(n)
        print("done", flush=True)

talking()
"""


class Talker:
    """A process in the middle of a flow, which runs tasks when it is told to."""

    def __init__(self, server: Server, **settings: str) -> None:
        self.home = server.home
        descriptor, self._errors = tempfile.mkstemp(dir=server.home, suffix=".stderr")
        self._process = subprocess.Popen(
            [sys.executable, "-c", TALKING],
            env=environment(
                server.home,
                TOWPATH_SERVER_ADDRESS=server.address,
                TOWPATH_SERVER_WEB_ADDRESS=server.web_address,
                TOWPATH_DISPLAY="quiet",
                **settings,
            ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=descriptor,
            text=True,
        )
        os.close(descriptor)

    @property
    def told(self) -> str:
        """What the process has written to stderr so far."""
        return Path(self._errors).read_text(encoding="utf-8")

    def tell(self, line: str) -> None:
        """Has it do something, and waits until it has."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "done\n"

    def end(self) -> str:
        """Lets the flow end; returns what the process wrote to stderr."""
        self._process.communicate(timeout=DEADLINE_SECONDS)
        assert self._process.returncode == 0, self.told
        return self.told

    def kill(self) -> None:
        """Ends the process, whatever it does."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate(timeout=DEADLINE_SECONDS)

    @property
    def producer_id(self) -> str:
        """Id of its outbox."""
        (meta,) = (self.home / "outbox").glob("*/meta.json")
        return str(json.loads(meta.read_text())["producer_id"])


@pytest.fixture
def talk() -> Iterator[Callable[..., Talker]]:
    """Starts talkers, and ends those that a failed test leaves."""
    started: list[Talker] = []

    def start(server: Server, **settings: str) -> Talker:
        started.append(Talker(server, **settings))
        return started[-1]

    yield start
    for talker in started:
        talker.kill()


def runs(server: Server) -> dict[str, RecordedRun]:
    return recorded_runs(server.database)


def completed(server: Server) -> int:
    return sum(run.state == RunState.COMPLETED for run in runs(server).values())


def producer(server: Server, producer_id: str) -> pb.GetProducerResponse:
    with server.channel() as channel:
        stub = ingest_service_pb2_grpc.IngestServiceStub(channel)
        request = pb.GetProducerRequest(workspace=WORKSPACE, producer_id=producer_id)
        answer: pb.GetProducerResponse = stub.GetProducer(request)
        return answer


def test_a_process_keeps_one_stream_open_and_says_what_it_is(
    server: Server, talk: Callable[..., Talker]
) -> None:
    talker = talk(server)
    talker.tell("50")
    wait_until(lambda: completed(server) == 50, "the tasks are recorded")
    known = producer(server, talker.producer_id)
    assert known.connected
    assert (known.epoch, known.info.client) == (1, "towpath-python")
    assert talker.end() == ""
    wait_until(lambda: completed(server) == 51, "the flow is recorded")
    assert violations(server.database) == []


def test_a_server_that_drains_or_dies_is_followed_to_its_next_life(
    server: Server, talk: Callable[..., Talker]
) -> None:
    talker = talk(server)
    talker.tell("20")
    wait_until(lambda: completed(server) == 20, "the tasks are recorded")
    assert server.stop() == 0
    talker.tell("20")
    server.start()
    wait_until(lambda: completed(server) == 40, "the second life has all")
    server.restart()
    talker.tell("20")
    wait_until(lambda: completed(server) == 60, "the third life has the tasks")
    assert talker.end() == ""
    wait_until(lambda: completed(server) == 61, "the flow is recorded")
    assert violations(server.database) == []


def test_a_stream_that_is_rotated_again_and_again_loses_nothing(
    make_server: Callable[..., Server], talk: Callable[..., Talker]
) -> None:
    server = make_server(times={"rotation_seconds": 0.2})
    server.start()
    talker = talk(server)
    talker.tell("1")
    wait_until(lambda: completed(server) == 1, "the first task is recorded")
    for _ in range(4):
        talker.tell("200")
        epoch = producer(server, talker.producer_id).epoch
        wait_until(lambda: producer(server, talker.producer_id).epoch > epoch, "it has moved")  # noqa: B023 - called at once
    assert talker.end() == ""
    wait_until(lambda: completed(server) == 802, "all is recorded")
    assert violations(server.database) == []


@pytest.fixture
def back_up(
    request: pytest.FixtureRequest, server: Server, tmp_path: Path
) -> Callable[[], Callable[[], None]]:
    """Backs up what a stopped server has recorded; what it returns restores that."""

    def of_sqlite() -> Callable[[], None]:
        backup = tmp_path / "backup.db"
        shutil.copy(server.home / "towpath.db", backup)

        def restore() -> None:
            for path in server.home.glob("towpath.db-*"):
                path.unlink()
            shutil.copy(backup, server.home / "towpath.db")

        return restore

    def of_postgres() -> Callable[[], None]:
        databases: Databases = request.getfixturevalue("postgres")
        backup = asyncio.run(databases.create(name_of(server.dsn)))
        request.addfinalizer(lambda: asyncio.run(databases.drop(backup)))
        return lambda: asyncio.run(databases.restore(server.dsn, backup))

    return of_postgres if server.dsn else of_sqlite


def test_a_server_restored_from_a_backup_gets_again_what_is_kept(
    server: Server, talk: Callable[..., Talker], back_up: Callable[[], Callable[[], None]]
) -> None:
    talker = talk(server)
    talker.tell("10")
    wait_until(lambda: completed(server) == 10, "the first tasks are recorded")
    server.stop()
    restore = back_up()
    server.start()
    talker.tell("30")
    wait_until(lambda: completed(server) == 40, "the next tasks are recorded")
    server.stop()
    restore()
    assert completed(server) == 10
    server.start()
    talker.tell("5")
    wait_until(lambda: completed(server) == 45, "all tasks are recorded")
    assert "restored from a backup" in talker.end()
    wait_until(lambda: completed(server) == 46, "all of it is recorded")
    assert violations(server.database) == []


def fence(server: Server, producer_id: str) -> int:
    """Opens a stream of a producer, as a connection that was given up does late; its epoch."""
    with server.channel() as channel:
        opening = pb.OpenStream(workspace=WORKSPACE, producer_id=producer_id)
        stream = ingest_service_pb2_grpc.IngestServiceStub(channel).StreamUpdates(
            iter([pb.StreamUpdatesRequest(open=opening)])
        )
        epoch = int(next(stream).opened.epoch)
        stream.cancel()
        return epoch


def test_a_process_that_is_fenced_off_by_a_late_opening_goes_on(
    server: Server, talk: Callable[..., Talker]
) -> None:
    talker = talk(server)
    talker.tell("5")
    wait_until(lambda: completed(server) == 5, "the tasks are recorded")
    assert fence(server, talker.producer_id) == 2
    talker.tell("5")
    wait_until(lambda: completed(server) == 10, "all tasks are recorded")
    assert producer(server, talker.producer_id).epoch == 3
    assert talker.end() == ""
    assert violations(server.database) == []


def test_a_process_whose_producer_reports_elsewhere_stops_with_a_warning(
    server: Server, talk: Callable[..., Talker]
) -> None:
    talker = talk(server)
    talker.tell("5")
    wait_until(lambda: completed(server) == 5, "the tasks are recorded")
    epoch = 1
    for _ in range(4):
        wait_until(
            lambda seen=epoch: producer(server, talker.producer_id).epoch >= seen,  # type: ignore[misc]
            "the process has opened another stream",
        )
        epoch = fence(server, talker.producer_id) + 1
    known = producer(server, talker.producer_id)
    talker.tell("5")
    told = talker.end()
    assert "takes no more reports from this process" in told
    assert producer(server, talker.producer_id).epoch == known.epoch


def test_a_process_that_holds_its_interpreter_is_alive_while_its_stream_is_open(
    make_server: Callable[..., Server], talk: Callable[..., Talker]
) -> None:
    server = make_server(times={"heartbeat_timeout_seconds": 0.5})
    server.start()
    talker = talk(server)
    talker.tell("3")
    wait_until(lambda: completed(server) == 3, "the tasks are recorded")
    talker.tell("hold 3")
    assert {run.reason for run in runs(server).values()} == {""}
    talker.end()
    wait_until(lambda: completed(server) == 4, "the flow is recorded")
    assert not any(step.inferred for run in runs(server).values() for step in run.steps)


def test_a_process_that_dies_with_its_stream_is_found_out(
    make_server: Callable[..., Server], talk: Callable[..., Talker]
) -> None:
    server = make_server(times={"heartbeat_timeout_seconds": 0.5})
    server.start()
    talker = talk(server)
    talker.tell("3")
    wait_until(lambda: completed(server) == 3, "the tasks are recorded")
    talker.kill()
    wait_until(
        lambda: any(run.state == RunState.CRASHED for run in runs(server).values()),
        "the flow is recorded as crashed",
    )
