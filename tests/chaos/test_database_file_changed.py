"""The database's file is removed or replaced under a server: nothing is acknowledged into nowhere.

The server says so at once, and what is reported meanwhile arrives after its restart.
"""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import threading
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import urlopen

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from towpath_service.runs.domain.states import RunState

from tests.chaos.history import committed_sequences, recorded_runs, violations
from tests.chaos.lockstep import Lockstep
from tests.chaos.processes import Site, wait_until
from tests.scenarios.test_delivery import SPANNING, python

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.subject("database", "delivery")

ENDS = ("", "-wal", "-shm")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(home=tmp_path / "home")
    made.home.mkdir()
    made.start_server()
    yield made
    made.stop_server()


def move_away(site: Site, aside: Path) -> None:
    """Moves the files to another folder, where a test can read them."""
    aside.mkdir()
    for end in ENDS:
        name = f"{site.database.name}{end}"
        site.database.with_name(name).rename(aside / name)


def put_a_backup_there(site: Site, aside: Path) -> None:
    """Replaces the files by an earlier copy, as a restore under a running server does."""
    backup = site.home / "backup.db"
    source, target = sqlite3.connect(site.database), sqlite3.connect(backup)
    source.backup(target)
    source.close()
    target.close()
    move_away(site, aside)
    shutil.copy(backup, site.database)


def health(site: Site) -> int:
    """The status of the health page."""
    try:
        with urlopen(f"http://127.0.0.1:{site.web_port}/healthz", timeout=30) as answer:
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code


def is_serving(site: Site) -> bool:
    """What gRPC's health service says."""
    with grpc.insecure_channel(f"127.0.0.1:{site.port}") as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(), timeout=30
        )
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def log_of(site: Site) -> str:
    return (site.home / "server.log").read_text(encoding="utf-8")


@pytest.mark.parametrize("change", [move_away, put_a_backup_there], ids=lambda c: c.__name__)
def test_every_ack_is_of_the_files_that_were_there_and_the_server_says_what_is_wrong(
    site: Site, tmp_path: Path, change: Callable[[Site, Path], None]
) -> None:
    aside = tmp_path / "aside"
    acked, failed = threading.Event(), threading.Event()
    with Lockstep(f"127.0.0.1:{site.port}") as producer:

        def send() -> None:
            while producer.send():
                acked.set()
            failed.set()

        sending = threading.Thread(target=send)
        sending.start()
        assert acked.wait(60)
        change(site, aside)
        assert failed.wait(60)
        sending.join()
        assert not producer.send()
        stored = committed_sequences(aside / site.database.name)
        assert 0 < producer.ledger.acked <= stored[producer.ledger.producer_id]
    assert health(site) == 503
    wait_until(lambda: not is_serving(site), "gRPC's health service tells it")
    assert str(site.database) in log_of(site)
    assert "restart the server" in log_of(site)
    assert site.command("run", "ls").returncode == 6


def test_a_server_that_nobody_calls_says_it_too_and_goes_on_when_the_file_is_back(
    site: Site, tmp_path: Path
) -> None:
    aside = tmp_path / "aside"
    move_away(site, aside)
    wait_until(lambda: "was removed while this server had it open" in log_of(site), "it is logged")
    wait_until(lambda: not is_serving(site), "gRPC's health service tells it")
    for end in ENDS:
        name = f"{site.database.name}{end}"
        (aside / name).rename(site.database.with_name(name))
    wait_until(lambda: is_serving(site), "the files are back")
    assert health(site) == 200
    assert site.command("run", "ls").returncode == 0


def test_what_is_reported_while_the_file_is_gone_arrives_after_the_restart(
    site: Site, tmp_path: Path
) -> None:
    process = python(site, SPANNING, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == "begun\n"
    wait_until(lambda: len(recorded_runs(site.database)) == 2, "the server knows the flow")
    move_away(site, tmp_path / "aside")
    process.stdin.write("\n")
    process.stdin.close()
    assert process.wait(timeout=240) == 0
    process.stdout.close()
    assert site.stop_server() == 0
    site.start_server()
    assert site.command("sync").returncode == 0
    runs = recorded_runs(site.database)
    assert [run.state for run in runs.values()] == [RunState.COMPLETED] * 3
    assert violations(site.database) == []
