"""What producers were told, held against what a database holds."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.chaos.history import committed_sequences, recorded_runs, violations

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.chaos.history import Database, RecordedRun


@dataclass(slots=True, kw_only=True)
class Ledger:
    """A producer's own book, which no fault touches.

    Each of its updates is one transition when it takes effect, so that what is missing or doubled
    shows in the numbers alone.
    """

    producer_id: str
    made: int = 0
    """Sequence number of the last update that it ever sent."""
    acked: int = 0
    """Up to here everything was acknowledged."""
    streams: int = 0
    complaints: list[str] = field(default_factory=list)
    """What a service must never answer to updates in order."""


def wrongs(database: Database, ledgers: Iterable[Ledger]) -> list[str]:
    """Everything that breaks a promise: what was acknowledged and isn't there, or isn't legal."""
    # The books first: what is acknowledged while the database is read is no loss.
    acked = [(ledger, ledger.acked) for ledger in ledgers]
    stored = _stored(recorded_runs(database).values())
    watermarks = committed_sequences(database)
    found = violations(database)
    for ledger, sequence in acked:
        name = ledger.producer_id
        found.extend(f"{name}: {complaint}" for complaint in ledger.complaints)
        found.extend(_differences(name, stored[name], ledger.made, sequence))
        if sequence and watermarks.get(name, 0) < sequence:
            found.append(
                f"{name}: {sequence} was acknowledged, its watermark is {watermarks.get(name)}"
            )
    return found


def _stored(runs: Iterable[RecordedRun]) -> dict[str, list[int]]:
    stored: dict[str, list[int]] = defaultdict(list)
    for run in runs:
        for step in run.steps:
            if step.producer_id is not None:
                stored[step.producer_id].append(step.producer_sequence)
    return stored


def _differences(name: str, stored: Sequence[int], made: int, acked: int) -> list[str]:
    there = set(stored)
    missing = [number for number in range(1, acked + 1) if number not in there]
    unknown = sorted(number for number in there if not 1 <= number <= made)
    found: list[str] = []
    if missing:
        found.append(f"{name}: {len(missing)} updates are lost, acknowledged: {missing[:10]}")
    if unknown:
        found.append(f"{name}: never sent, and stored: {unknown[:10]}")
    if len(there) < len(stored):
        found.append(f"{name}: {len(stored) - len(there)} updates took effect twice")
    return found
