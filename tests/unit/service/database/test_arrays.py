"""Rows that are written as an array for each column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import BigInteger, Boolean, Column, LargeBinary, MetaData, String, Table, Uuid
from towpath_service.database.sql.arrays import insert_arrays

if TYPE_CHECKING:
    from collections.abc import Sequence

TABLE = Table(
    "thing",
    MetaData(),
    Column("id", Uuid, primary_key=True),
    Column("name", String(64)),
    Column("count", BigInteger),
    Column("done", Boolean),
    Column("sealed", LargeBinary),
)
ID = "018f4d8a-0000-7000-8000-000000000001"


class Recorded:
    """An executor that keeps the last statement."""

    dialect: Any = None
    statement: str = ""
    parameters: Sequence[Any] = ()

    def exec_driver_sql(self, statement: str, parameters: Any = None, /) -> None:
        self.statement, self.parameters = statement, parameters


def written(column: str, *values: Any) -> Any:
    executor = Recorded()
    rows = [(ID, value) for value in values]
    insert_arrays(executor, TABLE, ("id", column), rows)
    return executor.parameters[1]


def test_an_array_goes_as_its_text_and_bytes_as_they_are() -> None:
    executor = Recorded()
    columns = ("id", "name", "count", "done", "sealed")
    insert_arrays(executor, TABLE, columns, [(ID, "a", 1, True, b"x"), (ID, None, None, None, b"")])
    assert executor.parameters == (
        f"{{{ID},{ID}}}",
        '{"a",NULL}',
        "{1,NULL}",
        "{1,NULL}",
        [b"x", b""],
    )
    assert executor.statement == (
        "INSERT INTO thing (id, name, count, done, sealed) SELECT * FROM"
        " unnest($1::text::UUID[], $2::text::VARCHAR(64)[], $3::text::BIGINT[],"
        " $4::text::BOOLEAN[], $5::BYTEA[])"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("", '{""}'),
        ("NULL", '{"NULL"}'),
        ("a,b", '{"a,b"}'),
        ("{}", '{"{}"}'),
        (" a\n", '{" a\n"}'),
        ('say "x"', '{"say \\"x\\""}'),
        ("c:\\new", '{"c:\\\\new"}'),
        ('\\"', '{"\\\\\\""}'),
        ("a\0b", '{"a\N{REPLACEMENT CHARACTER}b"}'),
        ("żółw", '{"żółw"}'),
    ],
)
def test_a_text_is_quoted_as_postgresql_reads_it(value: str, text: str) -> None:
    assert written("name", value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "{0}"), (-7, "{-7}"), (2**63 - 1, f"{{{2**63 - 1}}}")]
)
def test_a_number_keeps_all_its_digits(value: int, text: str) -> None:
    assert written("count", value) == text


@pytest.mark.parametrize(
    ("column", "values", "text"),
    [
        ("name", ("a", "a", "a"), '{"a","a","a"}'),
        ("name", ('"', '"'), '{"\\"","\\""}'),
        ("name", ("a", "b"), '{"a","b"}'),
        ("name", ("a", 'b"', "c\0"), '{"a","b\\"","c\N{REPLACEMENT CHARACTER}"}'),
        ("name", (None, None), "{NULL,NULL}"),
        ("name", ("NULL", None, '"'), '{"NULL",NULL,"\\""}'),
        ("count", (7, 7), "{7,7}"),
        ("count", (None, 1, 1), "{NULL,1,1}"),
        ("done", (True, 1), "{1,1}"),
    ],
)
def test_values_that_are_equal_or_need_no_escape_are_written_as_any_others(
    column: str, values: tuple[Any, ...], text: str
) -> None:
    assert written(column, *values) == text
