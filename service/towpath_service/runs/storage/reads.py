"""The read side, and the removal of runs: statements over one connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import (
    select,
)

from towpath_service.runs.ports.reads import Floors
from towpath_service.runs.storage import tables
from towpath_service.runs.storage.artifact_reads import SqlArtifactReads
from towpath_service.runs.storage.flow_reads import SqlFlowReads
from towpath_service.runs.storage.history_reads import SqlHistoryReads
from towpath_service.runs.storage.log_reads import SqlLogReads
from towpath_service.runs.storage.one_tenant import of_one_tenant
from towpath_service.runs.storage.removal import remove_runs
from towpath_service.runs.storage.rows import in_scope
from towpath_service.runs.storage.timeline_reads import SqlTimelineReads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath_service.core.names import Scope


@of_one_tenant
class SqlReads(SqlArtifactReads, SqlFlowReads, SqlHistoryReads, SqlLogReads, SqlTimelineReads):
    """The reads of one tenant's runs, and their removal."""

    def position(self, scope: Scope) -> int:
        """Last position that a workspace has committed."""
        return self._counter(scope, tables.workspace.c.position)

    def log_position(self, scope: Scope) -> int:
        """Last position of a workspace's log lines."""
        return self._counter(scope, tables.workspace.c.log_position)

    def floors(self, scope: Scope) -> Floors:
        """Positions up to which retention may have removed a workspace's changes."""
        columns = tables.workspace.c
        statement = select(
            columns.transition_floor, columns.log_floor, columns.tombstone_floor
        ).where(in_scope(columns, scope))
        row = self._connection.execute(statement).first()
        return Floors(*row) if row is not None else Floors(0, 0, 0)

    def delete_runs(self, scope: Scope, run_ids: Sequence[str], now_us: int) -> None:
        """Removes runs with all their records, and writes tombstones for watches."""
        remove_runs(self._connection, scope, run_ids, now_us)
        self._changed.add(scope)

    def _counter(self, scope: Scope, column: Any) -> int:
        statement = select(column).where(in_scope(tables.workspace.c, scope))
        return cast("int", self._connection.execute(statement).scalar() or 0)
