"""Removes runs with all their records; used by reads and by retention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, insert, select, update

from towpath_service.database.tables import OF_A_RUN, marked, metadata
from towpath_service.runs.storage import tables
from towpath_service.runs.storage.rows import chunks, in_scope
from towpath_service.runs.storage.stored_bytes import remove_counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from towpath_service.core.names import Scope

_run = tables.run.c
_OF_A_RUN: Final = (
    tables.run,
    tables.run_detail,
    tables.run_tag,
    tables.run_label,
    tables.transition,
    tables.log_line,
    tables.refusal,
    tables.artifact,
    tables.run_input,
)


def remove_runs(connection: Connection, scope: Scope, run_ids: Sequence[str], now_us: int) -> int:
    """Removes the existing ones of some runs, and writes tombstones for watches; returns how many.

    Runs are locked before their workspace, in the same order as in ingestion. The workspace is
    locked last, so that concurrent commits wait for the end of the removal only.
    """
    present: list[str] = []
    counted: dict[tuple[Any, ...], int] = {}
    for chunk in chunks(sorted(run_ids)):
        locking = select(_run.run_id, _run.flow_id, _run.kind, _run.state).where(
            in_scope(_run, scope), _run.run_id.in_(chunk)
        )
        for run_id, *where in connection.execute(locking.order_by(_run.run_id).with_for_update()):
            present.append(run_id)
            counted[tuple(where)] = counted.get(tuple(where), 0) + 1
    if not present:
        return 0
    size = 0
    for chunk in chunks(present):
        for table in _OF_A_RUN:
            of_runs = (table.c.tenant_id == scope.tenant_id, table.c.run_id.in_(chunk))
            size += remove_counted(connection, table, *of_runs)
        for name in sorted(marked(OF_A_RUN)):
            columns = metadata.tables[name].c
            of_runs = (columns.tenant_id == scope.tenant_id, columns.run_id.in_(chunk))
            connection.execute(delete(metadata.tables[name]).where(*of_runs))
    _leave_tombstones(connection, scope, present, now_us, size)
    cell = tables.run_count.c
    for (flow_id, kind, state), count in sorted(counted.items()):
        connection.execute(
            update(tables.run_count)
            .where(in_scope(cell, scope), cell.flow_id == flow_id)
            .where(cell.kind == kind, cell.state == state)
            .values(runs=cell.runs - count)
        )
    return len(present)


def _leave_tombstones(
    connection: Connection, scope: Scope, run_ids: Sequence[str], now_us: int, size: int
) -> None:
    columns = tables.workspace.c
    advance = (
        update(tables.workspace)
        .where(in_scope(columns, scope))
        .values(position=columns.position + len(run_ids), stored_bytes=columns.stored_bytes - size)
        .returning(columns.position)
    )
    first = connection.execute(advance).scalar_one() - len(run_ids) + 1
    tombstones = [
        {
            "tenant_id": scope.tenant_id,
            "workspace_id": scope.workspace_id,
            "run_id": run_id,
            "position": first + offset,
            "deleted_us": now_us,
        }
        for offset, run_id in enumerate(run_ids)
    ]
    connection.execute(insert(tables.deleted_run), tombstones)
