"""How many variables statements have, which databases limit."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from towpath_service.app.stores import Stores


@contextmanager
def counted_variables(stores: Stores) -> Iterator[list[int]]:
    """How many variables each statement has that reads."""
    counts: list[int] = []

    def count(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if statement.lstrip().startswith(("SELECT", "WITH")):
            counts.append(len(parameters))

    for engine in stores.database.engines:
        event.listen(engine, "before_cursor_execute", count)
    try:
        yield counts
    finally:
        for engine in stores.database.engines:
            event.remove(engine, "before_cursor_execute", count)
