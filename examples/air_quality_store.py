"""Where air_quality.py loads to: a SQLite file of three tables."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from pathlib import Path

TABLES = """
CREATE TABLE IF NOT EXISTS days (
    station TEXT, parameter TEXT, day TEXT, hours INTEGER, mean REAL, highest REAL,
    PRIMARY KEY (station, parameter, day)
);
CREATE TABLE IF NOT EXISTS rejected (line INTEGER PRIMARY KEY, problem TEXT);
CREATE TABLE IF NOT EXISTS left_out (problem TEXT);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What was loaded, and what was not and why."""

    days: list[tuple[Any, ...]]
    rejected: list[tuple[Any, ...]]
    left_out: list[str]

    def __str__(self) -> str:
        lines = [f"{'station':18} {'':5} {'day':10} {'hours':>5} {'mean':>6} {'highest':>7}"]
        lines += [
            f"{station:18} {parameter:5} {day:10} {hours:5} {mean:6.1f} {highest:7.1f}"
            for station, parameter, day, hours, mean, highest in self.days
        ]
        lines += [f"rejected: line {line}: {problem}" for line, problem in self.rejected]
        lines += [f"left out: {problem}" for problem in self.left_out]
        return "\n".join(lines)


class Database:
    """The file, open; nothing of a replacement is seen before all of it is."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path)

    def __enter__(self) -> Self:
        self._connection.executescript(TABLES)
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def replace(
        self, *, days: list[tuple[Any, ...]], rejected: list[tuple[Any, ...]], left_out: list[str]
    ) -> Loaded:
        """Puts these rows in the place of those that were there."""
        with self._connection as connection:
            for table in ("days", "rejected", "left_out"):
                connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names from above
            connection.executemany("INSERT INTO days VALUES (?, ?, ?, ?, ?, ?)", days)
            connection.executemany("INSERT INTO rejected VALUES (?, ?)", rejected)
            connection.executemany("INSERT INTO left_out VALUES (?)", [(one,) for one in left_out])
        return Loaded(days=days, rejected=rejected, left_out=left_out)
