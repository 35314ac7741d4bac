"""The server as a process: its start, its end, its ports, its home."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import grpc
import psutil
import pytest
from towpath._transport.discovery import find_server
from towpath.api.v1 import (
    ingest_service_pb2,
    ingest_service_pb2_grpc,
    run_pb2,
    run_service_pb2,
    run_service_pb2_grpc,
)

from tests.scenarios.conftest import on_both_databases
from tests.scenarios.servers import DEADLINE_SECONDS, Server, environment, free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.subject("app")

WORKSPACE = "workspaces/default"
PRODUCER = "01978d2a-7c1e-7aaa-8bbb-0123456789ab"


def start(home: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "towpath_service", "start", *options],
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )


@pytest.fixture
def server(make_server: Callable[..., Server]) -> Server:
    """A running server whose interpreter was started for it, as users start it."""
    made = make_server(forked=False)
    made.start()
    return made


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_with_exit_code_0(server: Server, number: int) -> None:
    assert server.process is not None
    server.process.send_signal(number)
    assert server.process.wait(DEADLINE_SECONDS) == 0
    assert "Traceback" not in server.log


def test_a_signal_during_the_start_ends_the_server_cleanly(
    make_server: Callable[..., Server],
) -> None:
    server = make_server(forked=False)
    server.launch()
    wait_until((server.home / "towpath.db").exists, "the server opens its database")
    assert server.stop() == 0


def test_the_banner_is_one_line_that_tells_where_everything_is(server: Server) -> None:
    wait_until(lambda: "Ctrl-C" in server.log, "the banner is printed")
    [line] = [line for line in server.log.splitlines() if "Towpath" in line]
    for part in (server.address, server.web_address, str(server.home / "towpath.db")):
        assert part in line


def test_the_server_announces_itself_to_its_home_until_it_ends(server: Server) -> None:
    wait_until(lambda: find_server(server.home) is not None, "the server announces itself")
    found = find_server(server.home)
    assert found is not None
    assert (found.grpc, found.web) == (server.address, server.web_address)
    server.kill()
    assert find_server(server.home) is None


@on_both_databases
def test_the_server_keeps_its_data_over_a_kill(server: Server) -> None:
    record(server, 1)
    server.restart()
    with server.channel() as channel:
        answer = ingest_service_pb2_grpc.IngestServiceStub(channel).GetProducer(
            ingest_service_pb2.GetProducerRequest(workspace=WORKSPACE, producer_id=PRODUCER),
            wait_for_ready=True,
            timeout=DEADLINE_SECONDS,
        )
    assert answer.committed_sequence == 1


@pytest.mark.parametrize("option", ["--port", "--web-port"])
def test_a_port_in_use_is_one_line_that_says_what_to_do(tmp_path: Path, option: str) -> None:
    other = "--web-port" if option == "--port" else "--port"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ended = start(tmp_path, option, port, other, "0")
    assert ended.returncode == 1
    assert ended.stderr == (
        f"Error: port {port} is in use: stop the other server, or choose {option}\n"
    )


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_server_that_is_open_to_all_says_so_in_one_line(
    make_server: Callable[..., Server], form: str
) -> None:
    server = make_server(options=("--host", "0.0.0.0", "--insecure", "--log-format", form))
    server.start()
    wait_until(lambda: "Ctrl-C" in server.log, "the banner is printed")
    [line] = [line for line in server.log.splitlines() if "Ctrl-C" not in line]
    assert "WARNING" in line
    assert "anybody who reaches the ports may read, change and delete every run" in line
    assert "--auth" in line


def test_a_second_server_on_the_ports_of_the_first_is_refused(
    server: Server, tmp_path: Path
) -> None:
    ended = start(tmp_path / "other", "--port", str(server.port), "--web-port", str(free_port()))
    assert ended.returncode == 1
    assert f"port {server.port} is in use" in ended.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "example.invalid", "192.0.2.1"])
def test_listening_beyond_this_machine_is_refused_with_the_reason(
    tmp_path: Path, host: str
) -> None:
    ended = start(tmp_path, "--host", host, "--port", "0", "--web-port", "0")
    assert ended.returncode == 2
    assert "--insecure" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_listening_beyond_this_machine_is_possible_when_asked_for(
    make_server: Callable[..., Server],
) -> None:
    server = make_server(options=("--host", "0.0.0.0", "--insecure"))
    server.start()
    wait_until(lambda: "Ctrl-C" in server.log, "the banner is printed")
    assert f"gRPC 0.0.0.0:{server.port} " in server.log
    # Nobody's certificate is for all addresses, and keys go to loopback only in plain text.
    found = find_server(server.home)
    assert found is not None
    assert (found.grpc, found.web) == (server.address, server.web_address)
    assert server.stop() == 0


@pytest.mark.parametrize("database", ["mysql://user:hunter2@h/d", "sqlite://", "postgresql://"])
def test_a_database_that_is_not_supported_is_refused_without_telling_its_password(
    tmp_path: Path, database: str
) -> None:
    ended = start(tmp_path, "--database", database, "--port", "0", "--web-port", "0")
    assert ended.returncode == 2
    assert "names no database: give a file" in ended.stderr
    assert "hunter2" not in ended.stderr


def test_a_database_that_cannot_be_reached_is_told_without_its_password(tmp_path: Path) -> None:
    database = f"postgresql://user:hunter2@127.0.0.1:{free_port()}/db"
    ended = start(tmp_path, "--database", database, "--port", "0", "--web-port", "0")
    assert ended.returncode == 1
    assert "can't open the database postgresql://user:***@" in ended.stderr
    assert "hunter2" not in ended.stderr


def test_a_server_on_postgres_answers(
    make_server: Callable[..., Server], postgres_dsn: str
) -> None:
    server = make_server(options=("--database", postgres_dsn))
    server.start()
    with server.channel() as channel:
        answer = run_service_pb2_grpc.RunServiceStub(channel).ListRuns(
            run_service_pb2.ListRunsRequest(parent=WORKSPACE), timeout=DEADLINE_SECONDS
        )
    assert answer.resume_token
    assert not answer.runs
    assert server.stop() == 0


@pytest.mark.parametrize("prefix", ["", "sqlite:///"])
def test_the_database_can_be_elsewhere(
    make_server: Callable[..., Server], tmp_path: Path, prefix: str
) -> None:
    database = tmp_path / "else" / "where.db"
    server = make_server(options=("--database", f"{prefix}{database}"))
    server.start()
    assert server.stop() == 0
    assert database.exists()
    assert not (server.home / "towpath.db").exists()


def test_a_file_that_is_no_database_is_one_line(tmp_path: Path) -> None:
    wrong = tmp_path / "notes.txt"
    wrong.write_text("these are notes, and no database at all\n" * 100, encoding="utf-8")
    ended = start(tmp_path, "--database", str(wrong), "--port", "0", "--web-port", "0")
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"Error: can't open the database {wrong}: ")
    assert ended.stderr.count("\n") == 1
    assert "these are notes" in wrong.read_text(encoding="utf-8")


def test_an_idle_server_is_small(server: Server) -> None:
    # Its first life has made the database, and compiled what wasn't compiled yet.
    server.restart()
    with server.channel() as channel:
        run_service_pb2_grpc.RunServiceStub(channel).ListRuns(
            run_service_pb2.ListRunsRequest(parent=WORKSPACE), timeout=DEADLINE_SECONDS
        )
    # Its own memory: how much of the libraries' files counts as resident is up to the page cache.
    assert psutil.Process(server.pid).memory_full_info().uss < 76 * 1024 * 1024


@on_both_databases
def test_draining_ends_watches_with_ok_and_tells_streams_to_reconnect(server: Server) -> None:
    with server.channel() as channel:
        watch = run_service_pb2_grpc.RunServiceStub(channel).WatchRuns(
            run_service_pb2.WatchRunsRequest(parent=WORKSPACE), timeout=DEADLINE_SECONDS
        )
        assert next(watch).synced
        half_close = threading.Event()
        stream = ingest_service_pb2_grpc.IngestServiceStub(channel).StreamUpdates(
            opened_until(half_close), timeout=DEADLINE_SECONDS
        )
        assert next(stream).WhichOneof("frame") == "opened"
        assert server.process is not None
        server.process.terminate()
        told = next(stream)
        half_close.set()
        rest = list(stream)
        seen = list(watch)
    assert told.reconnect.reason == ingest_service_pb2.RECONNECT_REASON_DRAIN
    assert rest == []
    assert all(not item.events for item in seen)
    assert watch.code() is grpc.StatusCode.OK
    assert stream.code() is grpc.StatusCode.OK
    assert server.process.wait(DEADLINE_SECONDS) == 0


def opened_until(half_close: threading.Event) -> Any:
    yield ingest_service_pb2.StreamUpdatesRequest(
        open=ingest_service_pb2.OpenStream(workspace=WORKSPACE, producer_id=PRODUCER)
    )
    half_close.wait(DEADLINE_SECONDS)


def record(server: Server, sequence: int) -> ingest_service_pb2.RecordUpdatesResponse:
    update = ingest_service_pb2.Update(run_id="01978d2a-7c1e-7aaa-8bbb-00000000000a")
    update.occur_time.GetCurrentTime()
    update.create.kind = run_pb2.RUN_KIND_FLOW
    update.create.flow_id = "etl"
    request = ingest_service_pb2.RecordUpdatesRequest(
        workspace=WORKSPACE,
        producer_id=PRODUCER,
        batch=ingest_service_pb2.UpdateBatch(first_sequence=sequence, updates=[update]),
    )
    with server.channel() as channel:
        return ingest_service_pb2_grpc.IngestServiceStub(channel).RecordUpdates(
            request, wait_for_ready=True, timeout=DEADLINE_SECONDS
        )
