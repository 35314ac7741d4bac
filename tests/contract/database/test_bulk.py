"""Rows given as tuples arrive whole, however many there are and whatever they hold."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table, create_engine, select
from towpath_service.database.postgres_url import parse_postgres_url
from towpath_service.database.sql import bulk
from towpath_service.database.sql.bulk import insert_rows, read_rows, update_rows, upsert_rows
from towpath_service.database.upkeep.maintenance import at_database

from tests.budgets import examples

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import Connection
    from towpath_service.database.postgres_url import PostgresUrl

    At = Callable[[Callable[[Connection], Any]], Any]

PLACE = Table(
    "place",
    MetaData(),
    Column("tenant", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("size", BigInteger),
    Column("note", String),
    Column("rank", Integer),
)
COLUMNS = tuple(PLACE.c.keys())
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.none() | st.integers(min_value=-(2**63), max_value=2**63 - 1)
ROWS = st.lists(st.tuples(NUMBERS, st.none() | TEXTS, NUMBERS), max_size=120)


@pytest.fixture(params=["sqlite", "postgres"])
def at(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> At:
    """Runs work on a connection to a new database that has the table."""
    monkeypatch.setattr(bulk, "MAX_VARIABLES", 32 * len(COLUMNS))
    database: Path | PostgresUrl = tmp_path / "places.db"
    if request.param == "postgres":
        database = parse_postgres_url(request.getfixturevalue("empty_postgres_dsn"))
    asyncio.run(at_database(database, PLACE.metadata.create_all))
    return lambda work: asyncio.run(at_database(database, work))


def all_of(connection: Connection) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(select(PLACE).order_by(PLACE.c.name))]


def row(number: int, *rest: Any) -> tuple[Any, ...]:
    return ("t", f"{number:04}", *rest)


@settings(max_examples=examples(30), deadline=None)
@given(content=ROWS)
def test_every_row_is_inserted_updated_and_read_as_it_is(content: list[Any]) -> None:
    engine = create_engine("sqlite://")
    with engine.connect() as connection, pytest.MonkeyPatch.context() as patch:
        patch.setattr(bulk, "MAX_VARIABLES", 32 * len(COLUMNS))
        PLACE.create(connection)
        rows = [row(number, *rest) for number, rest in enumerate(content)]
        insert_rows(connection, PLACE, [(*item[:2], 0, "", 0) for item in rows])
        update_rows(connection, PLACE, COLUMNS, rows)
        assert all_of(connection) == rows
        found = read_rows(
            connection,
            list(PLACE.c),
            condition=(PLACE.c.tenant, "t"),
            among=(PLACE.c.name, [item[1] for item in rows]),
        )
        assert sorted(map(tuple, found)) == sorted(rows, key=lambda item: item[1])
    engine.dispose()


@pytest.mark.parametrize("count", [0, 1, 2, 31, 32, 33, 64, 97])
def test_any_number_of_rows_is_written(at: At, count: int) -> None:
    rows = [row(number, number, "a", None) for number in range(count)]
    changed = [row(number, -number, None, 1) for number in range(count)]
    at(lambda connection: insert_rows(connection, PLACE, rows))
    assert at(all_of) == rows
    at(lambda connection: update_rows(connection, PLACE, COLUMNS, changed))
    assert at(all_of) == changed


@pytest.mark.parametrize("count", [0, 1, 32, 97])
def test_rows_that_are_there_are_left_replaced_or_added_to(at: At, count: int) -> None:
    there = [row(number, 10, "old", 1) for number in range(0, count, 2)]
    new = [row(number, 5, "new", 2) for number in range(count)]
    at(lambda connection: insert_rows(connection, PLACE, there))
    at(lambda connection: upsert_rows(connection, PLACE, COLUMNS, new))
    assert at(all_of) == [
        row(n, *((5, "new", 2) if n % 2 else (10, "old", 1))) for n in range(count)
    ]
    at(
        lambda connection: upsert_rows(
            connection, PLACE, COLUMNS, new, replacing=("note",), adding=("size",)
        )
    )
    sums = [row(n, *((10, "new", 2) if n % 2 else (15, "new", 1))) for n in range(count)]
    assert at(all_of) == sums


@pytest.mark.parametrize("at", ["sqlite"], indirect=True)
def test_only_the_rows_that_are_asked_for_are_read(at: At) -> None:
    rows = [row(number, number, "", 0) for number in range(5)]
    at(lambda connection: insert_rows(connection, PLACE, [*rows, ("other", "0001", 9, "", 0)]))
    found = at(
        lambda connection: read_rows(
            connection,
            [PLACE.c.name, PLACE.c.size],
            condition=(PLACE.c.tenant, "t"),
            among=(PLACE.c.name, ["0001", "0003", "9999"]),
        )
    )
    assert sorted(map(tuple, found)) == [("0001", 1), ("0003", 3)]


def test_rows_that_are_not_named_stay(at: At) -> None:
    rows = [row(1, 1, "", 0), row(2, 2, "", 0)]
    at(lambda connection: insert_rows(connection, PLACE, rows))
    columns = ("tenant", "name", "size")
    at(lambda connection: update_rows(connection, PLACE, columns, [("t", "0002", 7)]))
    assert at(all_of) == [row(1, 1, "", 0), row(2, 7, "", 0)]


def test_what_postgres_has_no_character_for_is_replaced(empty_postgres_dsn: str) -> None:
    def work(connection: Connection) -> list[tuple[Any, ...]]:
        PLACE.create(connection)
        insert_rows(connection, PLACE, [row(1, 1, "a\0b", 0)])
        return all_of(connection)

    stored = asyncio.run(at_database(parse_postgres_url(empty_postgres_dsn), work))
    assert stored == [row(1, 1, "a\N{REPLACEMENT CHARACTER}b", 0)]
