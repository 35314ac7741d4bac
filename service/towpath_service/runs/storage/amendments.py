"""Writes the progress, names and labels of runs; used by the write side."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from sqlalchemy import and_, delete, select

from towpath_service.database.sql.bulk import insert_rows, update_rows
from towpath_service.runs.storage import tables
from towpath_service.runs.storage.stored_bytes import Sizes, add_stored

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from towpath_service.core.names import Scope
    from towpath_service.runs.domain.reports import Amendment
    from towpath_service.runs.ports.ingest import ChangeSet

_run = tables.run.c
_PROGRESS_COLUMNS: Final = ("tenant_id", "run_id", "progress", "updated_us", "position")
_AMENDED_COLUMNS: Final = (
    *("tenant_id", "run_id", "labels", "display_name", "updated_us", "position"),
)


def write_progress(connection: Connection, changes: ChangeSet, positions: dict[Scope, int]) -> None:
    """Writes runs' progress, and advances the next position of each workspace."""
    rows: list[tuple[object, ...]] = []
    for key, (scope, content) in changes.progress.items():
        rows.append((*key, content, changes.now_us, positions[scope]))
        positions[scope] += 1
    update_rows(connection, tables.run, _PROGRESS_COLUMNS, rows)


def write_amendments(
    connection: Connection, changes: ChangeSet, positions: dict[Scope, int]
) -> None:
    """Writes new names and labels, and advances the next position of each workspace."""
    for scope, run_id, amendment in changes.amendments:
        _amend(connection, scope, run_id, amendment, positions[scope], changes.now_us)
        positions[scope] += 1


def _amend(
    connection: Connection,
    scope: Scope,
    run_id: str,
    amendment: Amendment,
    position: int,
    now_us: int,
) -> None:
    where = and_(_run.tenant_id == scope.tenant_id, _run.run_id == run_id)
    row = connection.execute(select(_run.labels, _run.display_name).where(where)).one()
    labels: dict[str, str] = json.loads(row.labels)
    labels.update(amendment.set_labels)
    for name in amendment.remove_labels:
        labels.pop(name, None)
    name = amendment.display_name or row.display_name
    amended = (scope.tenant_id, run_id, json.dumps(labels), name, now_us, position)
    update_rows(connection, tables.run, _AMENDED_COLUMNS, [amended])
    sizes = Sizes(connection.dialect)
    added = sizes.of((amended[2], name)) - sizes.of((row.labels, row.display_name))
    add_stored(connection, scope, added)
    label = tables.run_label
    connection.execute(
        delete(label).where(label.c.tenant_id == scope.tenant_id, label.c.run_id == run_id)
    )
    insert_rows(connection, label, [(*scope, *item, run_id) for item in labels.items()])
