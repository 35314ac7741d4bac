"""Joins several statements of a transaction into one, for a single round trip to PostgreSQL.

A commit of few updates spends most of its time on round trips, and holds its locks meanwhile.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Dialect

_PARAMETER: Final = re.compile(r"\$(\d+)")


class Executor(Protocol):
    """Runs statements: a Connection at once, or an `OneStatement` later."""

    @property
    def dialect(self) -> Dialect:
        """The database's dialect."""
        ...

    def exec_driver_sql(self, statement: str, parameters: Any = None, /) -> Any:
        """Runs a statement with the driver's own parameter marks."""
        ...


class OneStatement:
    """Collects statements; none may touch a row that another one touches or reads.

    All of them see the database as it was before the first one.
    """

    def __init__(self, connection: Connection) -> None:
        """Starts without statements.

        Args:
            connection: A connection to PostgreSQL.
        """
        self._connection = connection
        self._statements: list[str] = []
        self._parameters: list[Any] = []

    @property
    def dialect(self) -> Dialect:
        """The connection's dialect."""
        return self._connection.dialect

    def exec_driver_sql(self, statement: str, parameters: Any = None, /) -> None:
        """Adds a statement that changes rows; its result is discarded."""
        self._statements.append(statement)
        self._parameters.extend(parameters or ())

    def run(self, last: str = "SELECT", parameters: tuple[Any, ...] = ()) -> Sequence[Any]:
        """Runs the collected statements.

        Args:
            last: A SELECT that runs with the others, and reads the database as it was before.
            parameters: Parameters of `last`.

        Returns:
            The rows of `last`.
        """
        if not self._statements and not parameters:
            return ()
        statement, values = _joined((*self._statements, last)), (*self._parameters, *parameters)
        self._statements, self._parameters = [], []
        found = self._connection.exec_driver_sql(statement, values)
        return found.all() if found.returns_rows else ()


@lru_cache(maxsize=256)
def _joined(statements: tuple[str, ...]) -> str:
    """One statement whose parameters are those of all, in order."""
    parts: list[str] = []
    taken = 0
    for statement in statements:
        # Alternately texts between parameters, and parameter numbers.
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
