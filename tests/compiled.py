"""One cache of compiled SQL for all engines of a test process.

Each test opens a database of its own, whose engine would compile every statement anew: a quarter
of what the tests of the service compute.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import Engine
from sqlalchemy.util import LRUCache

_COMPILED: Final = LRUCache[Any, Any](10_000)


def share_compiled_statements() -> None:
    """Has all engines from now on share what they compile."""
    for dialect in (PGDialect_asyncpg, SQLiteDialect_pysqlite):
        # The dialect is part of a statement's key.
        dialect.__eq__ = _is_alike  # type: ignore[method-assign]
        dialect.__hash__ = _hash_of_class  # type: ignore[method-assign]
    Engine._compiled_cache = property(  # type: ignore[assignment]
        lambda _: _COMPILED,
        lambda *_: None,  # Each engine would set one of its own.
    )


def _is_alike(self: object, other: object) -> bool:
    return type(self) is type(other)


def _hash_of_class(self: object) -> int:
    return hash(type(self))
