"""`towpath audit verify` against a database that somebody has written to."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.scenarios.clients import Client, init_auth

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.scenarios.servers import Server

pytestmark = pytest.mark.subject("identity")

WIPED = "DELETE FROM audit_entry"
NO_END = "DELETE FROM audit_head"
OF_SECOND = "SELECT hash FROM audit_entry WHERE sequence = 2"
TAMPERING = {
    "all entries are gone": ((WIPED,), "ends with entry 0, and should end with 3"),
    "all entries and the end are gone": ((WIPED, NO_END), "doesn't bear the service's seal"),
    "the end is gone": ((NO_END,), "ends with entry 3, and should end with 0"),
    "an entry is changed": (
        ("UPDATE audit_entry SET actor = 'users/eve@example.org' WHERE sequence = 2",),
        "entry 2 is not what was written",
    ),
    "the last entry is gone, and the end moved": (
        (
            "DELETE FROM audit_entry WHERE sequence = 3",
            f"UPDATE audit_head SET sequence = 2, hash = ({OF_SECOND})",
        ),
        "doesn't bear the service's seal",
    ),
}


class Log:
    """The log of a server's first tenant, with three entries: of `init-auth`, and two more."""

    def __init__(self, server: Server, owner: Client) -> None:
        self.file = server.home / "towpath.db"
        self.owner = owner
        for number in range(2):
            owner.says("workspace", "create", f"w-{number}")
        self.written = self._rows()

    def change(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.file)) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    def put_back(self) -> None:
        with closing(sqlite3.connect(self.file)) as connection, connection:
            for table, rows in self.written.items():
                connection.execute(f"DELETE FROM {table}")
                for row in rows:
                    marks = ", ".join("?" * len(row))
                    connection.execute(f"INSERT INTO {table} VALUES ({marks})", row)

    def said(self, *options: str) -> str:
        """What the command says of a log that is fine."""
        ended = self.owner.towpath("audit", "verify", *options)
        assert ended.returncode == 0, ended.stderr
        return ended.stderr

    def refused(self, *options: str) -> str:
        """What the command says of one that isn't."""
        ended = self.owner.towpath("audit", "verify", *options)
        assert ended.returncode == 1, ended.stderr
        assert "the audit log was tampered with: " in ended.stderr
        return ended.stderr

    def _rows(self) -> dict[str, list[tuple[object, ...]]]:
        with closing(sqlite3.connect(self.file)) as connection:
            return {
                table: connection.execute(f"SELECT * FROM {table}").fetchall()
                for table in ("audit_entry", "audit_head")
            }


@pytest.fixture
def log(make_server: Callable[..., Server], tmp_path: Path) -> Log:
    server = make_server()
    key = init_auth(server.home)
    server.start()
    known = {"TOWPATH_SERVER_ADDRESS": server.address, "TOWPATH_API_KEY": key}
    return Log(server, Client(tmp_path / "owner", known))


def test_a_log_that_somebody_wrote_to_is_broken_and_stays_so(log: Log) -> None:
    assert "all 3 entries are as they were written" in log.said()
    for number, (statements, expected) in enumerate(TAMPERING.values()):
        log.change(*statements)
        assert expected in log.refused()
        # What is written next covers nothing up.
        log.owner.says("workspace", "create", f"more-{number}")
        log.refused()
        log.put_back()
        log.said()


def test_a_log_is_held_against_what_it_was_before(log: Log, tmp_path: Path) -> None:
    export = tmp_path / "export.jsonl"
    log.owner.says("workspace", "create", "w-4")
    export.write_text(log.owner.says("audit", "export"))
    log.owner.says("workspace", "create", "w-5")
    told = log.said("--against", str(export))
    assert "all 5 entries are as they were written; 4 of them equal those of" in told
    # An earlier end with its earlier seal is as good as any, for whoever knows no later one.
    log.put_back()
    assert "all 3 entries" in log.said()
    assert "entry 4 of the export is missing" in log.refused("--against", str(export))
    log.owner.says("workspace", "create", "w-6")
    assert "entry 4 differs from the export" in log.refused("--against", str(export))
    export.write_text("{}")
    ended = log.owner.towpath("audit", "verify", "--against", str(export))
    assert ended.returncode == 2
    assert "line 1: this is no entry of an audit log" in ended.stderr
