"""Checks what a database holds after the faults, against what was promised.

Reads the tables themselves, so that no code under test stands between the check and the facts. A
database is a file of SQLite or the DSN of one in PostgreSQL: the checks are the same.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg
from towpath_service.runs.domain.states import TERMINAL_STATES, RunState, is_allowed

if TYPE_CHECKING:
    from collections.abc import Sequence

Database: TypeAlias = Path | str
"""A file of SQLite, or the DSN of a database in PostgreSQL."""


_TRANSITIONS = (
    "SELECT run_id, revision, from_state, to_state, attempt, inferred, producer_id,"
    " producer_sequence, position FROM transition ORDER BY run_id, revision"
)
_RECORDS = (
    *("run", "run_detail", "run_tag", "run_label", "run_count", "transition", "log_line"),
    *("producer", "refusal", "deleted_run"),
)
_RUNS = "SELECT run_id, kind, display_name, state, reason, revision, parent_run_id FROM run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One row of a run's history."""

    revision: int
    from_state: RunState | None
    to_state: RunState
    attempt: int
    inferred: bool
    producer_id: str | None
    producer_sequence: int
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRun:
    """A run with its whole history."""

    run_id: str
    kind: int
    name: str
    state: RunState
    reason: str
    revision: int
    parent_run_id: str | None
    steps: tuple[Step, ...]


def rows(database: Database, *queries: str) -> list[Sequence[Any]]:
    """Rows of queries that see one state of the database, one list for each."""
    if isinstance(database, str):
        return asyncio.run(_postgres_rows(database, queries))
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as connection:
        connection.isolation_level = None
        connection.execute("BEGIN")
        return [connection.execute(query).fetchall() for query in queries]


def forget_all(dsn: str) -> None:
    """Removes all that was recorded in a database in PostgreSQL; its service may go on."""

    async def truncate() -> None:
        connection = await asyncpg.connect(dsn)
        try:
            await connection.execute(f"TRUNCATE {', '.join(_RECORDS)}")
        finally:
            await connection.close()

    asyncio.run(truncate())


def recorded_runs(database: Database) -> dict[str, RecordedRun]:
    """Reads every run of a database with its history."""
    transitions, runs = rows(database, _TRANSITIONS, _RUNS)
    steps: dict[str, list[Step]] = defaultdict(list)
    for row in transitions:
        steps[str(row[0])].append(_step(row))
    return {
        str(row[0]): RecordedRun(
            run_id=str(row[0]),
            kind=row[1],
            name=row[2],
            state=RunState(row[3]),
            reason=row[4],
            revision=row[5],
            parent_run_id=str(row[6]) if row[6] else None,
            steps=tuple(steps.pop(str(row[0]), ())),
        )
        for row in runs
    }


def committed_sequences(database: Database) -> dict[str, int]:
    """The watermark of each producer."""
    (found,) = rows(database, "SELECT producer_id, committed_sequence FROM producer")
    return {str(producer_id): sequence for producer_id, sequence in found}


def violations(database: Database) -> list[str]:
    """Everything in a database that the invariants forbid, as sentences."""
    runs = recorded_runs(database)
    watermarks = committed_sequences(database)
    found: list[str] = []
    for run in runs.values():
        found.extend(_illegal_history(run))
    found.extend(_repeated_updates(runs, watermarks))
    found.extend(_lost_children(runs))
    found.extend(_repeated_positions(runs))
    return found


def unfinished(database: Database) -> list[RecordedRun]:
    """Runs that have not ended."""
    return [run for run in recorded_runs(database).values() if run.state not in TERMINAL_STATES]


async def _postgres_rows(dsn: str, queries: Sequence[str]) -> list[Sequence[Any]]:
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return [await connection.fetch(query) for query in queries]
    finally:
        await connection.close()


def _step(row: Sequence[Any]) -> Step:
    return Step(
        revision=row[1],
        from_state=RunState(row[2]) if row[2] else None,
        to_state=RunState(row[3]),
        attempt=row[4],
        inferred=bool(row[5]),
        producer_id=str(row[6]) if row[6] else None,
        producer_sequence=row[7],
        position=row[8],
    )


def _illegal_history(run: RecordedRun) -> list[str]:
    found: list[str] = []
    revisions = [step.revision for step in run.steps]
    if revisions != list(range(1, run.revision + 1)):
        found.append(f"{run.run_id}: revisions {revisions}, but the run is at {run.revision}")
    before: Step | None = None
    for step in run.steps:
        if step.from_state != (before.to_state if before else None):
            found.append(f"{run.run_id}: revision {step.revision} starts from {step.from_state}")
        after_inferred = before is not None and before.inferred
        if not is_allowed(step.from_state, step.to_state, after_inferred=after_inferred):
            found.append(f"{run.run_id}: {step.from_state} to {step.to_state} is not in the table")
        if before is not None and step.attempt < before.attempt:
            found.append(f"{run.run_id}: attempt went back at revision {step.revision}")
        before = step
    if before is not None and before.to_state is not run.state:
        found.append(f"{run.run_id}: is {run.state}, its last transition says {before.to_state}")
    return found


def _repeated_updates(runs: dict[str, RecordedRun], watermarks: dict[str, int]) -> list[str]:
    seen: set[tuple[str, int]] = set()
    found: list[str] = []
    for run in runs.values():
        for step in run.steps:
            if step.producer_id is None or not step.producer_sequence:
                continue
            key = (step.producer_id, step.producer_sequence)
            if key in seen:
                found.append(f"{run.run_id}: update {key} took effect twice")
            seen.add(key)
            if step.producer_sequence > watermarks.get(step.producer_id, 0):
                found.append(f"{run.run_id}: update {key} is beyond its producer's watermark")
    return found


def _repeated_positions(runs: dict[str, RecordedRun]) -> list[str]:
    positions = sorted(step.position for run in runs.values() for step in run.steps)
    return [
        f"position {position} was given twice"
        for position, following in pairwise(positions)
        if position == following
    ]


def _lost_children(runs: dict[str, RecordedRun]) -> list[str]:
    return [
        f"{run.run_id}: its parent {run.parent_run_id} is unknown"
        for run in runs.values()
        if run.parent_run_id and run.parent_run_id not in runs
    ]
