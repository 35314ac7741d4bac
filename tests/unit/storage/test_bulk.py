"""Rows given as tuples arrive whole, however many there are and whatever they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table, create_engine, select
from towpath_service.storage import bulk
from towpath_service.storage.bulk import insert_rows, read_rows, update_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

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


@pytest.fixture(params=["sqlite", "any other"])
def connection(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Connection]:
    """A database; under another name it is written to as every other one is."""
    monkeypatch.setattr(bulk, "MAX_VARIABLES", 32 * len(COLUMNS))
    engine = create_engine("sqlite://")
    with engine.connect() as opened:
        PLACE.create(opened)
        monkeypatch.setattr(opened.dialect, "name", request.param)
        yield opened
    engine.dispose()


def all_of(connection: Connection) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(select(PLACE).order_by(PLACE.c.name))]


def row(number: int, *rest: Any) -> tuple[Any, ...]:
    return ("t", f"{number:04}", *rest)


@settings(max_examples=30, deadline=None)
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
def test_any_number_of_rows_is_written(connection: Connection, count: int) -> None:
    rows = [row(number, number, "a", None) for number in range(count)]
    insert_rows(connection, PLACE, rows)
    assert all_of(connection) == rows
    changed = [row(number, -number, None, 1) for number in range(count)]
    update_rows(connection, PLACE, COLUMNS, changed)
    assert all_of(connection) == changed


def test_only_the_rows_that_are_asked_for_are_read(connection: Connection) -> None:
    insert_rows(connection, PLACE, [row(number, number, "", 0) for number in range(5)])
    insert_rows(connection, PLACE, [("other", "0001", 9, "", 0)])
    found = read_rows(
        connection,
        [PLACE.c.name, PLACE.c.size],
        condition=(PLACE.c.tenant, "t"),
        among=(PLACE.c.name, ["0001", "0003", "9999"]),
    )
    assert sorted(map(tuple, found)) == [("0001", 1), ("0003", 3)]


def test_rows_that_are_not_named_stay(connection: Connection) -> None:
    insert_rows(connection, PLACE, [row(1, 1, "", 0), row(2, 2, "", 0)])
    update_rows(connection, PLACE, ("tenant", "name", "size"), [("t", "0002", 7)])
    assert all_of(connection) == [row(1, 1, "", 0), row(2, 7, "", 0)]
