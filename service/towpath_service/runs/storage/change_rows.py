"""Writes the rows of a change set to each table; used by the write side.

No two statements touch the same row. An executor runs them one by one, or pipelined.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from towpath_service.database.sql.bulk import insert_rows, update_rows, upsert_rows
from towpath_service.runs.ports.ingest import RunKey
from towpath_service.runs.storage import tables
from towpath_service.runs.storage.rows import PRODUCER_CHANGES, PRODUCER_COLUMNS, producer_row
from towpath_service.runs.storage.run_rows import CHANGED_COLUMNS, changed_row, new_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath_service.database.sql.one_statement import Executor
    from towpath_service.runs.ports.ingest import ChangeSet, ProducerRecord

_FLOW_COLUMNS: Final = tuple(tables.flow.c.keys())
_KEY: Final = ("tenant_id", "run_id")
_DESCRIPTION: Final = ("parameters", "dependencies", "retry_policy", "timeout_us")
_OUTCOME: Final = ("result", "failure")


def write_runs(executor: Executor, changes: ChangeSet, latest: dict[RunKey, int]) -> None:
    """Writes new runs with their flows, tags and labels, and changed runs."""
    _insert_runs(executor, changes, latest)
    rows = [
        changed_row(key.tenant_id, status, changes.now_us, latest[key])
        for key, (_, status) in changes.changed_runs.items()
    ]
    update_rows(executor, tables.run, CHANGED_COLUMNS, rows)


def write_details(executor: Executor, changes: ChangeSet) -> None:
    """Writes the details of new runs, and the outcomes of ended ones."""
    described: dict[RunKey, tuple[Any, ...]] = {}
    for new in changes.new_runs:
        detail = new.creation
        if detail.parameters or detail.dependencies or detail.retry_policy or detail.timeout_us:
            described[RunKey(new.scope.tenant_id, new.status.run_id)] = (
                *(detail.parameters, detail.dependencies),
                *(detail.retry_policy, detail.timeout_us),
            )
    ended = {
        key: (changes.results.get(key), changes.failures.get(key))
        for key in changes.results.keys() | changes.failures.keys()
    }
    both = described.keys() & ended.keys()
    _upsert(executor, _DESCRIPTION, [(*k, *v) for k, v in described.items() if k not in both])
    _upsert(executor, _OUTCOME, [(*k, *v) for k, v in ended.items() if k not in both])
    _upsert(executor, (*_DESCRIPTION, *_OUTCOME), [(*k, *described[k], *ended[k]) for k in both])


def write_counts(executor: Executor, changes: ChangeSet) -> None:
    """Adds to the stored counts of runs."""
    rows = [
        (*scope, flow_id, kind, state, delta)
        for (scope, flow_id, kind, state), delta in sorted(changes.count_deltas.items())
        if delta
    ]
    columns = tuple(tables.run_count.c.keys())
    upsert_rows(executor, tables.run_count, columns, rows, adding=("runs",))


def write_producers(executor: Executor, producers: Sequence[ProducerRecord]) -> None:
    """Writes the state of producers."""
    upsert_rows(
        executor,
        tables.producer,
        PRODUCER_COLUMNS,
        [producer_row(producer) for producer in producers],
        replacing=PRODUCER_CHANGES,
    )


def _insert_runs(executor: Executor, changes: ChangeSet, latest: dict[RunKey, int]) -> None:
    flows: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    rows: list[tuple[Any, ...]] = []
    tags: list[tuple[Any, ...]] = []
    labels: list[tuple[Any, ...]] = []
    for new in changes.new_runs:
        scope, creation, run_id = new.scope, new.creation, new.status.run_id
        rows.append(new_row(new, changes.now_us, latest[RunKey(scope.tenant_id, run_id)]))
        tags.extend((*scope, tag, run_id) for tag in set(creation.tags))
        if creation.labels:
            labels.extend((*scope, *label, run_id) for label in creation.labels.items())
        flow = (*scope, creation.flow_id)
        if creation.flow_id and flow not in flows:
            flows[flow] = (*flow, creation.flow_name or creation.flow_id, changes.now_us)
    upsert_rows(executor, tables.flow, _FLOW_COLUMNS, list(flows.values()))
    insert_rows(executor, tables.run, rows)
    insert_rows(executor, tables.run_tag, tags)
    insert_rows(executor, tables.run_label, labels)


def _upsert(executor: Executor, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    upsert_rows(executor, tables.run_detail, (*_KEY, *columns), rows, replacing=columns)
