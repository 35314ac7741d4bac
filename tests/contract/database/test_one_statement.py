"""Statements that are run as one change what they would have changed one by one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event, text
from towpath_service.database.postgres_url import parse_postgres_url
from towpath_service.database.sql.one_statement import OneStatement
from towpath_service.database.upkeep.maintenance import at_database

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

MAKE = "CREATE TABLE place (name text PRIMARY KEY, size int, note text)"
INSERT = "INSERT INTO place SELECT * FROM unnest($1::text[], $2::int[], $3::text[])"


def at(dsn: str, work: Callable[[Connection], Any]) -> Any:
    def run(connection: Connection) -> Any:
        connection.execute(text(MAKE))
        connection.exec_driver_sql(INSERT, (["old", "gone"], [1, 2], [None, None]))
        return work(connection)

    return asyncio.run(at_database(parse_postgres_url(dsn), run))


def test_each_statement_keeps_its_own_parameters_and_the_database_is_asked_once(
    empty_postgres_dsn: str,
) -> None:
    asked: list[str] = []

    def work(connection: Connection) -> Any:
        together = OneStatement(connection)
        together.exec_driver_sql(INSERT, (["new", "newer"], [10, 11], ["a", "$1"]))
        together.exec_driver_sql(
            "UPDATE place SET size = $2, note = $1 WHERE name = 'old'", ("$3", 7)
        )
        together.exec_driver_sql("DELETE FROM place WHERE name = 'gone'")
        event.listen(connection, "before_cursor_execute", lambda _c, _u, sql, *_: asked.append(sql))
        together.run("SELECT count(*) FROM unnest($1::text[])", (["x"],))
        together.run()
        rows = connection.execute(text("SELECT * FROM place ORDER BY name")).all()
        return [tuple(row) for row in rows]

    rows = at(empty_postgres_dsn, work)
    assert rows == [("new", 10, "a"), ("newer", 11, "$1"), ("old", 7, "$3")]
    assert len(asked) == 2


def test_nothing_asks_nothing(empty_postgres_dsn: str) -> None:
    def work(connection: Connection) -> None:
        event.listen(connection, "before_cursor_execute", lambda *_: pytest.fail("asked"))
        OneStatement(connection).run()

    at(empty_postgres_dsn, work)


def test_what_fails_fails_as_a_whole(empty_postgres_dsn: str) -> None:
    def work(connection: Connection) -> int:
        together = OneStatement(connection)
        together.exec_driver_sql("DELETE FROM place WHERE name = 'gone'")
        together.exec_driver_sql(INSERT, (["old"], [1], [None]))
        with pytest.raises(Exception, match="duplicate key"), connection.begin_nested():
            together.run()
        return int(connection.execute(text("SELECT count(*) FROM place")).scalar_one())

    assert at(empty_postgres_dsn, work) == 2
