"""Reads runs and their descendants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    func,
    literal,
    select,
    tuple_,
)

from towpath_service.runs.domain.runs import (
    Run,
    RunDetail,
)
from towpath_service.runs.domain.states import RunKind, RunState
from towpath_service.runs.storage import tables
from towpath_service.runs.storage.conditions import run_condition
from towpath_service.runs.storage.graph import BY_ID, graph_nodes
from towpath_service.runs.storage.one_tenant import of_one_tenant
from towpath_service.runs.storage.rows import chunks, in_scope, in_scope_by_run
from towpath_service.runs.storage.tenant_reads import TenantReads

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy import RowMapping

    from towpath_service.core.names import Scope
    from towpath_service.runs.domain.filters import Filter
    from towpath_service.runs.domain.runs import GraphNode
    from towpath_service.runs.ports.reads import RunQuery


_run = tables.run.c
_RUN_COLUMNS: Final = [column for column in tables.run.c if column.name != "tenant_id"]
_ORDER_COLUMNS: Final[Mapping[str, Any]] = {
    "create_time": _run.created_us,
    "scheduled_time": func.coalesce(_run.scheduled_us, 0),
    "start_time": func.coalesce(_run.started_us, 0),
    "end_time": func.coalesce(_run.ended_us, 0),
    "run_duration": _run.running_us,
    "display_name": _run.display_name,
}


@of_one_tenant
class SqlRunReads(TenantReads):
    """The runs of one tenant."""

    def runs(self, query: RunQuery) -> list[Run]:
        """Reads a page of runs."""
        column = _ORDER_COLUMNS[query.order]
        statement = select(*_RUN_COLUMNS).where(in_scope(_run, query.scope))
        if query.filter is not None:
            statement = statement.where(run_condition(query.filter))
        if query.after is not None:
            place = tuple_(column, _run.run_id)
            value, run_id = query.after
            after = tuple_(literal(value, column.type), literal(run_id, _run.run_id.type))
            statement = statement.where(place < after if query.descending else place > after)
        keys = (column.desc(), _run.run_id.desc()) if query.descending else (column, _run.run_id)
        return [_to_run(row) for row in self._rows(statement.order_by(*keys).limit(query.limit))]

    def runs_by_id(self, scope: Scope, run_ids: Collection[str]) -> dict[str, Run]:
        """Reads runs by id; unknown ones are left out."""
        statement = select(*_RUN_COLUMNS).where(in_scope(_run, scope))
        found: dict[str, Run] = {}
        for chunk in chunks(run_ids):
            for row in self._rows(statement.where(_run.run_id.in_(chunk))):
                found[row["run_id"]] = _to_run(row)
        return found

    def details(self, scope: Scope, run_ids: Collection[str]) -> dict[str, RunDetail]:
        """Reads the bulky parts of runs, with the counts of their children."""
        counts: dict[str, dict[RunState, int]] = {}
        creators: dict[str, str] = {}
        details: dict[str, RunDetail] = {}
        table = tables.run_detail.c
        for chunk in chunks(run_ids):
            children = (
                select(_run.parent_run_id, _run.state, func.count())
                .where(in_scope_by_run(_run, scope), _run.parent_run_id.in_(chunk))
                .group_by(_run.parent_run_id, _run.state)
            )
            for parent, state, count in self._connection.execute(children):
                counts.setdefault(parent, {})[RunState(state)] = count
            creators |= self._creators(scope, chunk)
            rows = select(tables.run_detail).where(
                table.tenant_id == scope.tenant_id, table.run_id.in_(chunk)
            )
            for row in self._connection.execute(rows):
                details[row.run_id] = RunDetail(
                    parameters=row.parameters,
                    result=row.result,
                    failure=row.failure,
                    dependencies=row.dependencies,
                    retry_policy=row.retry_policy,
                    timeout_us=row.timeout_us,
                    child_counts=counts.get(row.run_id, {}),
                    creator=creators.get(row.run_id, ""),
                )
        for run_id in run_ids:
            detail = RunDetail(
                child_counts=counts.get(run_id, {}), creator=creators.get(run_id, "")
            )
            details.setdefault(run_id, detail)
        return details

    def _creators(self, scope: Scope, run_ids: Collection[str]) -> dict[str, str]:
        """The actors of the first changes of runs."""
        table = tables.transition.c
        first = select(table.run_id, table.actor).where(
            table.tenant_id == scope.tenant_id, table.run_id.in_(run_ids), table.revision == 1
        )
        return {row.run_id: row.actor for row in self._connection.execute(first)}

    def descendants(self, scope: Scope, run_id: str, *, depth: int, limit: int) -> list[Run]:
        """Reads a run and its descendants, parents before children."""
        top = self.runs_by_id(scope, [run_id])
        found = list(top.values())
        level = list(top)
        for _ in range(depth):
            if not level or len(found) > limit:
                break
            below: list[Run] = []
            for chunk in chunks(level):
                statement = (
                    select(*_RUN_COLUMNS)
                    .where(in_scope_by_run(_run, scope), _run.parent_run_id.in_(chunk))
                    .order_by(BY_ID)
                    .limit(limit + 1 - len(found) - len(below))
                )
                below.extend(_to_run(row) for row in self._rows(statement))
            found.extend(below)
            level = [run.run_id for run in below if run.kind is RunKind.FLOW or depth > 1]
        return found[: limit + 1]

    def graph(self, scope: Scope, run_id: str, *, depth: int, limit: int) -> list[GraphNode]:
        """Reads a run and its descendants, parents before children, at most `limit` + 1."""
        return graph_nodes(self._connection, scope, run_id, depth=depth, limit=limit)

    def changed_runs(
        self, scope: Scope, after: int, until: int, limit: int
    ) -> list[tuple[int, str, Run | None]]:
        """Reads the changes between two positions."""
        statement = (
            select(*_RUN_COLUMNS)
            .where(in_scope(_run, scope), _run.position > after, _run.position <= until)
            .order_by(_run.position)
            .limit(limit)
        )
        gone = tables.deleted_run.c
        deleted = (
            select(gone.position, gone.run_id)
            .where(in_scope(gone, scope), gone.position > after, gone.position <= until)
            .order_by(gone.position)
            .limit(limit)
        )
        changes: list[tuple[int, str, Run | None]] = [
            (row["position"], row["run_id"], _to_run(row)) for row in self._rows(statement)
        ]
        changes += [(row.position, row.run_id, None) for row in self._connection.execute(deleted)]
        changes.sort(key=lambda change: change[0])
        return changes[:limit]

    def matching(self, scope: Scope, run_ids: Collection[str], condition: Filter) -> set[str]:
        """Returns the ids of those runs that match a filter now."""
        statement = select(_run.run_id).where(in_scope(_run, scope), run_condition(condition))
        return {
            run_id
            for chunk in chunks(run_ids)
            for run_id in self._connection.execute(
                statement.where(_run.run_id.in_(chunk))
            ).scalars()
        }


def _to_run(row: RowMapping) -> Run:
    values: dict[str, Any] = {**row}
    values["kind"] = RunKind(values["kind"])
    values["state"] = RunState(values["state"])
    return Run(**values)
