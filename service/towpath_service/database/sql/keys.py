"""Conditions on rows' keys, for statements that are built once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, tuple_

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

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
