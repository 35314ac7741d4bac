"""The tables: made by migrations, checked at every start, taken back when asked."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from click.testing import CliRunner
from sqlalchemy import text
from towpath_service.app.stores import database_at
from towpath_service.cli.server import server
from towpath_service.core.errors import ServiceError
from towpath_service.database.database_urls import parse_database
from towpath_service.database.new_sqlite import SCRIPT
from towpath_service.database.postgres_url import PostgresUrl, parse_postgres_url
from towpath_service.database.tables import metadata
from towpath_service.database.upgrade import HEAD, current_revision, downgrade, revisions, upgrade
from towpath_service.database.upkeep.maintenance import at_database
from towpath_service.database.upkeep.plan import plan, step_of
from towpath_service.database.upkeep.size import database_bytes, table_sizes

from tests.contract.database.new_sqlite import migrated_script, script_of
from tests.scenarios.servers import environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import Connection

# The upgrade command, in a process that dies before it makes the table of a number.
KILLED_AT_A_TABLE = """
import os, signal, sys
from alembic.operations import Operations
from towpath_service.cli.server import server
number, database = int(sys.argv[1]), sys.argv[2]
create_table = Operations.create_table
made = 0

def create(*args, **options):
    global made
    made += 1
    if made == number:
        os.kill(os.getpid(), signal.SIGKILL)
    return create_table(*args, **options)

Operations.create_table = create
server(["db", "upgrade", "--database", database])
"""

NEXT = f"{int(HEAD) + 1:04}"


@pytest.fixture(params=["sqlite", "postgres"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Path | PostgresUrl:
    """A database without tables."""
    if request.param == "sqlite":
        return tmp_path / "towpath.db"
    return parse_postgres_url(request.getfixturevalue("empty_postgres_dsn"))


@pytest.fixture
def made(empty: Path | PostgresUrl) -> Path | PostgresUrl:
    """A database with the tables of this version."""
    do(empty, partial(upgrade, revision="head"))
    return empty


def do(database: Path | PostgresUrl, work: Callable[[Connection], Any]) -> Any:
    return asyncio.run(at_database(database, work))


def execute(database: Path | PostgresUrl, statement: str) -> None:
    do(database, lambda connection: connection.execute(text(statement)))


def start(database: Path | PostgresUrl) -> None:
    """What a service does first."""
    starting = database_at(database)

    async def opened() -> None:
        try:
            await starting.open()
        finally:
            starting.close()

    asyncio.run(opened())


def option(database: Path | PostgresUrl) -> str:
    return database.dsn if isinstance(database, PostgresUrl) else str(database)


def test_migrations_make_what_the_code_expects(made: Path | PostgresUrl) -> None:
    def differences(connection: Connection) -> list[Any]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    assert do(made, differences) == []


def test_the_newest_revision_is_the_one_the_service_expects(made: Path | PostgresUrl) -> None:
    assert revisions()[-1] == HEAD
    assert do(made, current_revision) == HEAD


def test_all_migrations_can_be_taken_back_and_run_again(made: Path | PostgresUrl) -> None:
    do(made, partial(downgrade, revision="base"))
    assert do(made, current_revision) is None
    do(made, partial(upgrade, revision="head"))
    start(made)


def test_sqlite_is_upgraded_at_a_start(tmp_path: Path) -> None:
    database = tmp_path / "towpath.db"
    do(database, partial(upgrade, revision=revisions()[-2]))
    start(database)
    assert do(database, current_revision) == HEAD


def test_a_new_sqlite_has_what_the_migrations_make(tmp_path: Path) -> None:
    start(tmp_path / "towpath.db")
    migrated = migrated_script()
    assert SCRIPT.read_text() == migrated, "the migrations make other tables: poe new-sqlite"
    assert script_of(tmp_path / "towpath.db") == migrated


def test_postgres_is_upgraded_by_command_only(empty_postgres_dsn: str) -> None:
    with pytest.raises(ServiceError, match="towpath server db upgrade") as raised:
        start(parse_postgres_url(empty_postgres_dsn))
    assert raised.value.reason == "DATABASE_TOO_OLD"


def test_a_newer_schema_that_only_adds_is_worked_with(made: Path | PostgresUrl) -> None:
    execute(made, "ALTER TABLE run ADD COLUMN added_later TEXT")
    execute(made, f"UPDATE alembic_version SET version_num = '{NEXT}'")
    start(made)


@pytest.mark.parametrize(
    "spoil", ["UPDATE schema_info SET oldest_service = '{}'", "DROP TABLE schema_info"]
)
def test_a_newer_schema_that_takes_away_is_refused(made: Path | PostgresUrl, spoil: str) -> None:
    execute(made, f"UPDATE alembic_version SET version_num = '{NEXT}'")
    execute(made, spoil.format(NEXT))
    with pytest.raises(ServiceError, match=f"downgrade --to {HEAD}") as raised:
        start(made)
    assert raised.value.reason == "DATABASE_TOO_NEW"


def test_two_upgrades_at_once_come_one_after_the_other(empty_postgres_dsn: str) -> None:
    async def both() -> None:
        url = parse_postgres_url(empty_postgres_dsn)
        work = partial(upgrade, revision="head")
        await asyncio.gather(*(at_database(url, work) for _ in range(3)))

    asyncio.run(both())
    start(parse_postgres_url(empty_postgres_dsn))


@pytest.mark.parametrize("number", [1, 7, len(metadata.tables)])
def test_an_upgrade_that_is_killed_leaves_nothing_behind(
    empty: Path | PostgresUrl, tmp_path: Path, number: int
) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_AT_A_TABLE, str(number), option(empty)],
        env=environment(tmp_path),
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert do(empty, current_revision) is None
    do(empty, partial(upgrade, revision="head"))
    start(empty)


def test_a_plan_tells_every_statement_and_changes_nothing(empty: Path | PostgresUrl) -> None:
    steps = do(empty, plan)
    made = {step.table for step in steps if step.statement.startswith("CREATE TABLE")}
    assert made == set(metadata.tables) | {"alembic_version"}
    assert do(empty, current_revision) is None
    do(empty, partial(upgrade, revision="head"))
    assert do(empty, plan) == []


@pytest.mark.parametrize(
    ("statement", "lock", "effect"),
    [
        ("CREATE TABLE thing (id INT)", "none", "new table"),
        ("CREATE INDEX ix ON run (state)", "SHARE", "reads the table; writes wait"),
        ("CREATE INDEX ix ON thing (id)", "none", "on a new table"),
        (
            "CREATE INDEX CONCURRENTLY ix ON run (state)",
            *("SHARE UPDATE EXCLUSIVE", "reads the table twice"),
        ),
        (
            "ALTER TABLE run ADD COLUMN x TEXT",
            *("ACCESS EXCLUSIVE", "brief; existing rows stay as they are"),
        ),
        (
            "ALTER TABLE run ALTER COLUMN x TYPE BIGINT",
            *("ACCESS EXCLUSIVE", "may rewrite the table"),
        ),
        ("UPDATE run SET state = 7", "ROW EXCLUSIVE", "touches rows"),
        ("DROP TABLE IF EXISTS run", "ACCESS EXCLUSIVE", "brief"),
        ("VACUUM FULL run", "ACCESS EXCLUSIVE", "not known: taken for the strongest"),
    ],
)
def test_a_step_tells_its_lock(statement: str, lock: str, effect: str) -> None:
    step = step_of(statement, {"run": 7}, {"run"})
    assert (step.lock, step.effect) == (lock, effect)
    assert step.rows == (7 if "run" in statement and "VACUUM" not in statement else 0)


def test_sizes_add_up(made: Path | PostgresUrl) -> None:
    sizes = do(made, table_sizes)
    assert {size.table for size in sizes} == set(metadata.tables) | {"alembic_version"}
    assert 0 < sum(size.total_bytes for size in sizes) <= do(made, database_bytes)


def test_the_commands_say_what_they_did(empty: Path | PostgresUrl) -> None:
    def run(*words: str) -> str:
        result = CliRunner().invoke(server, ["db", *words, "--database", option(empty)])
        assert result.exit_code == 0, result.output
        return result.stdout

    assert run("upgrade") == f"The schema was empty and is {HEAD} now.\n"
    assert run("upgrade") == f"The schema is {HEAD} already.\n"
    assert "Nothing to do" in run("plan")
    assert re.search(r"^transition +0 ", run("size"), re.MULTILINE)
    assert "whole database" in run("size")
    assert run("downgrade", "--to", "base", "--yes") == "The schema is empty now.\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["upgrade", "--to", "4711"], "there is no revision '4711'"),
        (["downgrade", "--to", "4711", "--yes"], "there is no revision '4711'"),
        (["size", "--database", "/nowhere/towpath.db"], "there is no database /nowhere"),
        (["size", "--database", __file__], "Check the path"),
        (["size", "--database", "mysql://me:secret@host/db"], "postgresql://USER:PASSWORD"),
        (["size", "--database", "postgresql://me:secret@127.0.0.1:1/db"], "me:***@127.0.0.1:1"),
    ],
)
def test_what_goes_wrong_is_one_line_without_secrets(
    words: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(tmp_path / "towpath.db")
    monkeypatch.setenv("TOWPATH_SERVER_DATABASE", str(tmp_path / "towpath.db"))
    result = CliRunner().invoke(server, ["db", *words])
    assert result.exit_code in {1, 2}
    assert told in result.output
    assert "secret" not in result.output
    assert "Traceback" not in result.output


def test_a_downgrade_asks_first(tmp_path: Path) -> None:
    database = tmp_path / "towpath.db"
    do(database, partial(upgrade, revision="head"))
    words = ["db", "downgrade", "--to", "base", "--database", str(database)]
    result = CliRunner().invoke(server, words, input="n\n")
    assert "EVERYTHING" in result.output
    assert do(database, current_revision) == HEAD


def test_options_of_a_url_are_kept(tmp_path: Path) -> None:
    url = parse_database("postgres://me:pw@host:5/db?ssl=require&pgbouncer=true", tmp_path)
    assert url.pooled
    assert url.dsn == "postgresql://me:pw@host:5/db?ssl=require"
    assert url.display == "postgresql://me:***@host:5/db?ssl=require"
