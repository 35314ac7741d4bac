"""Completes runs that the service created by what their processes report; used by the write side.

A value that the service has given stays; tags and labels are added.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, select

from towpath_service.database.sql.bulk import insert_rows, update_rows, upsert_rows
from towpath_service.runs.storage import tables
from towpath_service.runs.storage.stored_bytes import Sizes, add_stored

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from towpath_service.core.names import Scope
    from towpath_service.runs.domain.reports import Creation
    from towpath_service.runs.ports.ingest import ChangeSet

_TEXTS: Final = ("display_name", "flow_name", "code_version", "traceparent", "tracestate")
_COLUMNS: Final = (*_TEXTS, "labels", "tags")
_DETAILS: Final = ("parameters", "dependencies", "retry_policy", "timeout_us")
_SIZED_DETAILS: Final = 3


def write_descriptions(
    connection: Connection, changes: ChangeSet, positions: dict[Scope, int]
) -> None:
    """Completes runs, and advances the next position of each workspace."""
    for scope, run_id, creation in changes.descriptions:
        added = _complete_run(connection, scope, run_id, creation, positions[scope], changes.now_us)
        added += _complete_detail(connection, scope, run_id, creation)
        add_stored(connection, scope, added)
        positions[scope] += 1


def _complete_run(
    connection: Connection,
    scope: Scope,
    run_id: str,
    creation: Creation,
    position: int,
    now_us: int,
) -> int:
    """Completes the run's row; returns the bytes that were added."""
    columns = tables.run.c
    where = and_(columns.tenant_id == scope.tenant_id, columns.run_id == run_id)
    row = connection.execute(select(*(columns[name] for name in _COLUMNS)).where(where)).one()
    labels: dict[str, str] = json.loads(row.labels)
    new_labels = {k: v for k, v in (creation.labels or {}).items() if k not in labels}
    tags: list[str] = json.loads(row.tags)
    new_tags = sorted(set(creation.tags) - set(tags))
    values = (
        *(getattr(row, name) or getattr(creation, name) for name in _TEXTS),
        json.dumps(labels | new_labels),
        json.dumps(sorted([*tags, *new_tags])),
    )
    changed = (scope.tenant_id, run_id, *values, now_us, position)
    names = ("tenant_id", "run_id", *_COLUMNS, "updated_us", "position")
    update_rows(connection, tables.run, names, [changed])
    insert_rows(connection, tables.run_tag, [(*scope, tag, run_id) for tag in new_tags])
    insert_rows(
        connection, tables.run_label, [(*scope, *item, run_id) for item in new_labels.items()]
    )
    sizes = Sizes(connection.dialect)
    return sizes.of(values) - sizes.of(row)


def _complete_detail(connection: Connection, scope: Scope, run_id: str, creation: Creation) -> int:
    """Completes the run's detail; returns the bytes that were added."""
    reported = [getattr(creation, name) for name in _DETAILS]
    if not any(reported):
        return 0
    columns = tables.run_detail.c
    where = and_(columns.tenant_id == scope.tenant_id, columns.run_id == run_id)
    row: Any = connection.execute(
        select(*(columns[name] for name in _DETAILS)).where(where)
    ).one_or_none() or (None,) * len(_DETAILS)
    values = tuple(known or new for known, new in zip(row, reported, strict=True))
    upsert_rows(
        connection,
        tables.run_detail,
        ("tenant_id", "run_id", *_DETAILS),
        [(scope.tenant_id, run_id, *values)],
        replacing=_DETAILS,
    )
    sizes = Sizes(connection.dialect)
    return sizes.of(values[:_SIZED_DETAILS]) - sizes.of(tuple(row)[:_SIZED_DETAILS])
