"""Several statements of a transaction as one, so that PostgreSQL is asked once for all of them.

A commit of few updates spends most of its time on the way to the database and back, and holds its
locks for as long.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from sqlalchemy import Connection, Dialect

_PARAMETER: Final = re.compile(r"\$(\d+)")


class Executor(Protocol):
    """What statements are given to: a Connection, or something that gives them to one later."""

    @property
    def dialect(self) -> Dialect:
        """Of which database."""
        ...

    def exec_driver_sql(self, statement: str, parameters: Any = None, /) -> Any:
        """Runs a statement with the database's own marks for its parameters."""
        ...


class OneStatement:
    """Collects statements, none of which may touch a row that another touches or reads.

    All of them see the database as it was before the first.
    """

    def __init__(self, connection: Connection) -> None:
        """Runs nothing yet.

        Args:
            connection: To PostgreSQL.
        """
        self._connection = connection
        self._statements: list[str] = []
        self._parameters: list[Any] = []

    @property
    def dialect(self) -> Dialect:
        """Of the connection."""
        return self._connection.dialect

    def exec_driver_sql(self, statement: str, parameters: Any = None, /) -> None:
        """Takes a statement that changes rows; its result is nobody's business."""
        self._statements.append(statement)
        self._parameters.extend(parameters or ())

    def run(self, last: str = "SELECT", parameters: tuple[Any, ...] = ()) -> None:
        """Runs them.

        Args:
            last: A statement that is no change, run with the others.
            parameters: Of that.
        """
        if self._statements or parameters:
            statement = _joined((*self._statements, last))
            self._connection.exec_driver_sql(statement, (*self._parameters, *parameters))
        self._statements, self._parameters = [], []


@lru_cache(maxsize=256)
def _joined(statements: tuple[str, ...]) -> str:
    """One statement whose parameters are those of all, in order."""
    parts: list[str] = []
    taken = 0
    for statement in statements:
        # Texts between parameters, then numbers, in turn.
        pieces = _PARAMETER.split(statement)
        numbers = [int(number) for number in pieces[1::2]]
        pieces[1::2] = [f"${number + taken}" for number in numbers]
        parts.append("".join(pieces))
        taken += max(numbers, default=0)
    *changes, last = parts
    if not changes:
        return last
    named = ", ".join(f"change_{number} AS ({part})" for number, part in enumerate(changes))
    return f"WITH {named} {last}"
