from __future__ import annotations

import json
import socket
import sqlite3
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from tests.scenarios.commands import FAN_OUT, GATED, pipeline, towpath
from tests.scenarios.servers import free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.scenarios.servers import Server

pytestmark = pytest.mark.subject("cli")


@contextmanager
def web_server() -> Generator[str]:
    """Something that answers, and is no Towpath server."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def rude_server() -> Generator[str]:
    """Something that takes connections and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def hang_up() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize("command", [("run", "ls"), ("flow", "ls"), ("run", "inspect", "efjxreyv")])
def test_a_server_that_is_away_is_exit_code_6(tmp_path: Path, command: tuple[str, ...]) -> None:
    address = f"127.0.0.1:{free_port()}"
    result = towpath(tmp_path, "--server", address, *command)
    assert (result.returncode, result.stdout) == (6, "")
    assert f"no Towpath server answers at {address}" in result.stderr
    assert "towpath server start" in result.stderr
    assert len(result.stderr.splitlines()) == 2


def test_something_else_at_the_address_is_told_apart(tmp_path: Path) -> None:
    with web_server() as address:
        result = towpath(tmp_path, "--server", address, "run", "ls")
    assert result.returncode == 6
    assert f"{address} answers, but not as a Towpath server: check server.address" in result.stderr
    assert "config view --show-sources" in result.stderr


def test_a_peer_that_hangs_up_is_exit_code_6(tmp_path: Path) -> None:
    with rude_server() as address:
        result = towpath(tmp_path, "--server", address, "run", "ls", "-o", "json")
    assert (result.returncode, result.stdout) == (6, "")
    assert json.loads(result.stderr)["message"]


def test_errors_beside_json_are_objects(tmp_path: Path) -> None:
    result = towpath(tmp_path, "run", "inspect", "zzzzzzzz", "-o", "json")
    assert (result.returncode, result.stdout) == (3, "")
    assert json.loads(result.stderr) == {
        "code": "NOT_FOUND",
        "message": "no run has the id zzzzzzzz",
        "hint": "`towpath run ls` lists runs",
    }


def test_a_home_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    result = towpath(tmp_path, "run", "ls", TOWPATH_HOME=str(tmp_path / "home"))
    assert result.returncode != 0
    assert "Traceback" not in result.stderr
    assert result.stderr.startswith("Error: ")


def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    assert towpath(tmp_path, "run", "ls").returncode == 0
    with sqlite3.connect(tmp_path / "towpath.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.execute("UPDATE schema_info SET oldest_service = '9998'")
    database.close()
    result = towpath(tmp_path, "run", "ls")
    assert result.returncode not in {0, 6}
    assert "newer" in result.stderr
    assert towpath(tmp_path, "doctor").returncode == 1


@pytest.mark.parametrize("command", [("--help",), ("run", "--help"), ("config", "--help")])
def test_help_loads_nothing_heavy(command: tuple[str, ...]) -> None:
    probe = (
        "import sys; from towpath.cli._main import run; run(sys.argv[1:]);"
        "heavy = {'grpc', 'google.protobuf', 'pydantic', 'rich', 'sqlalchemy', 'towpath_service'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", probe, *command], capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines()[-1] == "[]"


def checked(
    home: Path, *options: str, code: int = 0, **settings: str
) -> dict[str, tuple[str, str]]:
    result = towpath(home, *options, "doctor", "-o", "json", **settings)
    assert result.returncode == code, result.stdout
    return {item["name"]: (item["verdict"], item["text"]) for item in json.loads(result.stdout)}


def test_a_doctor_finds_nothing_wrong_where_nothing_is(tmp_path: Path) -> None:
    checks = checked(tmp_path)
    assert {verdict for verdict, _ in checks.values()} == {"ok"}
    assert "local database" in checks["server"][1]


def test_a_doctor_sees_a_server_its_version_and_its_clock(server: Server) -> None:
    checks = checked(server.home)
    assert checks["server"][0] == "ok"
    assert server.address in checks["server"][1]
    assert "found on the home" in checks["server"][1]
    assert checks["clock"][0] == "ok"


def test_a_doctor_says_that_the_server_is_away_and_where_another_is(server: Server) -> None:
    result = towpath(server.home, "--server", f"127.0.0.1:{free_port()}", "doctor")
    assert result.returncode == 6
    assert f"towpath config set server.address {server.address}" in result.stdout


def test_a_doctor_tells_what_waits_what_was_damaged_and_what_was_refused(tmp_path: Path) -> None:
    assert pipeline(tmp_path, FAN_OUT).wait(60) == 0
    (tmp_path / "outbox-set-aside" / "one").mkdir(parents=True)
    (tmp_path / "outbox" / "rejected.jsonl").write_text("{}\n{}\n")
    shown = towpath(tmp_path, "doctor").stdout
    assert "1 wait for delivery, 0 belong to running processes" in shown
    assert "`towpath sync` delivers them" in shown
    assert "1 were damaged" in shown
    assert "2 updates were refused" in shown
    assert towpath(tmp_path, "sync").returncode == 0
    assert "no outbox waits" in towpath(tmp_path, "doctor").stdout


def test_a_doctor_tells_a_running_pipeline_from_a_dead_one(tmp_path: Path) -> None:
    home, gate = tmp_path / "home", tmp_path / "gate"
    process = pipeline(home, GATED, str(gate))
    wait_until(lambda: any(home.glob("outbox/*/updates*")), "the pipeline reports")
    checks = checked(home)
    gate.touch()
    assert process.wait(60) == 0
    assert checks["outboxes"][0] == "ok"
    assert "0 wait for delivery, 1 belong to running processes" in checks["outboxes"][1]


def test_a_doctor_stops_at_settings_that_cannot_be_read(tmp_path: Path) -> None:
    checks = checked(tmp_path, code=1, TOWPATH_DISPLAY="loud")
    assert checks["settings"][0] == "failed"
    assert "home" not in checks


def test_a_doctor_minds_that_a_server_is_required(tmp_path: Path) -> None:
    checks = checked(tmp_path, code=6, TOWPATH_REQUIRE_SERVER="1")
    assert checks["server"][0] == "failed"


def test_what_waits_is_delivered_and_counted(tmp_path: Path) -> None:
    assert pipeline(tmp_path, FAN_OUT).wait(60) == 0
    told = json.loads(towpath(tmp_path, "sync", "-o", "json").stdout)
    assert (told["producers"], told["rejected"], told["skipped"]) == (1, 0, 0)
    assert told["updates"] > 0
    assert told["logs"] == 4
    again = towpath(tmp_path, "sync")
    assert again.stdout.startswith("0 updates and 0 log lines of 0 processes")
