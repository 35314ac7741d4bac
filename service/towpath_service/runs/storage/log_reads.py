"""Reads log lines of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import (
    BigInteger,
    func,
    literal,
    select,
    tuple_,
)

from towpath_service.runs.domain.runs import (
    LogEntry,
)
from towpath_service.runs.storage import tables
from towpath_service.runs.storage.conditions import log_condition
from towpath_service.runs.storage.one_tenant import of_one_tenant
from towpath_service.runs.storage.rows import in_scope, in_scope_by_run
from towpath_service.runs.storage.tenant_reads import TenantReads
from towpath_service.runs.storage.trees import of_tree

if TYPE_CHECKING:
    from towpath_service.core.names import Scope
    from towpath_service.runs.domain.filters import Filter
    from towpath_service.runs.ports.reads import RunTree


_run = tables.run.c
_log = tables.log_line.c
_LOG_COLUMNS: Final = [
    column for column in tables.log_line.c if column.name not in {"tenant_id", "workspace_id"}
]


@of_one_tenant
class SqlLogReads(TenantReads):
    """The log lines of one tenant's runs."""

    def logs(
        self,
        scope: Scope,
        tree: RunTree,
        condition: Filter | None,
        *,
        after: tuple[int, int] | None,
        descending: bool,
        limit: int,
    ) -> list[LogEntry]:
        """Reads log lines by time, then position."""
        place = tuple_(_log.occurred_us, _log.position)
        statement = select(*_LOG_COLUMNS).where(
            in_scope_by_run(_log, scope), of_tree(_log.run_id, scope, tree)
        )
        if condition is not None:
            statement = statement.where(log_condition(condition))
        if after is not None:
            mark = tuple_(literal(after[0], BigInteger), literal(after[1], BigInteger))
            statement = statement.where(place < mark if descending else place > mark)
        keys = (
            (_log.occurred_us.desc(), _log.position.desc())
            if descending
            else (_log.occurred_us, _log.position)
        )
        rows = self._rows(statement.order_by(*keys).limit(limit))
        return [LogEntry(**row) for row in rows]

    def logs_after(self, scope: Scope, tree: RunTree, after: int, limit: int) -> list[LogEntry]:
        """Reads log lines above a position, in the order of their arrival."""
        statement = (
            select(*_LOG_COLUMNS)
            .where(in_scope(_log, scope), of_tree(_log.run_id, scope, tree), _log.position > after)
            .order_by(_log.position)
            .limit(limit)
        )
        return [LogEntry(**row) for row in self._rows(statement)]

    def dropped_logs(self, scope: Scope, tree: RunTree) -> int:
        """The number of lines that the producers of these runs have dropped."""
        producer = tables.producer.c
        producers = select(_run.producer_id).where(
            in_scope_by_run(_run, scope), of_tree(_run.run_id, scope, tree)
        )
        statement = select(func.coalesce(func.sum(producer.logs_dropped), 0)).where(
            in_scope(producer, scope), producer.producer_id.in_(producers)
        )
        return int(self._connection.execute(statement).scalar_one())
