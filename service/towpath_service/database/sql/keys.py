"""Conditions on rows' keys, for statements that are built once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, cast, func, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from sqlalchemy import Connection

CHUNK = 500
"""Keys of a statement: SQLite takes 32,766 variables."""


def among(*columns: Any) -> Any:
    """The condition that a row's key is one of the parameter `keys`, a list of tuples."""
    return tuple_(*columns).in_(bindparam("keys", expanding=True))


def portions(keys: Collection[tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
    """The parameters of `among`: sorted keys, in lists that a statement takes."""
    ordered = sorted(keys)
    for start in range(0, len(ordered), CHUNK):
        yield {"keys": [tuple(key) for key in ordered[start : start + CHUNK]]}


class Keyed:
    """A query for the rows of given keys, as each database reads many of them fastest."""

    def __init__(self, query: Callable[[Any], Any], *columns: Any) -> None:
        """Builds the statements.

        Args:
            query: The query, given the condition that a row has one of the keys.
            columns: The columns of a key.
        """
        self._listed = query(among(*columns))
        self._names = tuple(f"key_{column.name}" for column in columns)
        # An array for each column: the text is the same for any number of keys.
        arrays = (
            func.unnest(cast(bindparam(name), ARRAY(column.type)))
            for name, column in zip(self._names, columns, strict=True)
        )
        self._unnested = query(tuple_(*columns).in_(select(*arrays)))

    def rows(self, connection: Connection, keys: Collection[tuple[Any, ...]]) -> Iterator[Any]:
        """The rows of keys, each key in the order of the columns."""
        if connection.dialect.name != "postgresql":
            for portion in portions(keys):
                yield from connection.execute(self._listed, portion)
        elif keys:
            values = map(list, zip(*sorted(keys), strict=True))
            named = dict(zip(self._names, values, strict=True))
            yield from connection.execute(self._unnested, named)
