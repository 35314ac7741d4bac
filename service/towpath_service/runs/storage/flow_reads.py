"""Reads flows, with the counts and running times of their runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import (
    func,
    select,
)

from towpath_service.runs.domain.runs import (
    FlowSummary,
    Run,
)
from towpath_service.runs.domain.states import RunKind, RunState
from towpath_service.runs.storage import tables
from towpath_service.runs.storage.conditions import is_flow_run, run_condition
from towpath_service.runs.storage.one_tenant import of_one_tenant
from towpath_service.runs.storage.rows import in_scope
from towpath_service.runs.storage.run_reads import SqlRunReads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from towpath_service.core.names import Scope
    from towpath_service.runs.domain.filters import CountedCells, Filter


_run = tables.run.c
# Enough for a median and a 95th percentile, and readable in milliseconds.
_SAMPLE: Final = 2_000
_WHEN: Final = func.coalesce(_run.started_us, _run.scheduled_us, _run.created_us)


@of_one_tenant
class SqlFlowReads(SqlRunReads):
    """The flows of one tenant."""

    def flows(self, scope: Scope, after: str, limit: int) -> list[FlowSummary]:
        """Reads a page of flows by id."""
        flow = tables.flow.c
        statement = (
            select(tables.flow)
            .where(in_scope(flow, scope), flow.flow_id > after)
            .order_by(flow.flow_id)
            .limit(limit)
        )
        rows = self._connection.execute(statement).all()
        ids = [row.flow_id for row in rows]
        counts, last_runs = self._flow_counts(scope, ids), self._last_runs(scope, ids)
        return [
            FlowSummary(
                flow_id=row.flow_id,
                display_name=row.display_name,
                created_us=row.created_us,
                run_counts=counts.get(row.flow_id, {}),
                last_run=last_runs.get(row.flow_id),
            )
            for row in rows
        ]

    def counts(
        self, scope: Scope, condition: Filter | None, start_us: int, end_us: int, bucket_us: int
    ) -> Mapping[tuple[int, int], int]:
        """Counts runs by (bucket number, state)."""
        bucket = ((_WHEN - start_us) // bucket_us).label("bucket")
        statement = (
            select(bucket, _run.state, func.count())
            .where(in_scope(_run, scope), start_us <= _WHEN, end_us > _WHEN)
            .group_by(bucket, _run.state)
        )
        if condition is not None:
            statement = statement.where(run_condition(condition))
        return {(row[0], row[1]): row[2] for row in self._connection.execute(statement)}

    def totals(self, scope: Scope, cells: CountedCells) -> Mapping[int, int]:
        """Stored numbers of runs by state, over all time."""
        table = tables.run_count.c
        statement = select(table.state, func.sum(table.runs)).where(in_scope(table, scope))
        for column, value in zip((table.flow_id, table.kind, table.state), cells, strict=True):
            if value is not None:
                statement = statement.where(column == value)
        rows = self._connection.execute(statement.group_by(table.state))
        return {state: int(runs) for state, runs in rows if runs}

    def durations(
        self, scope: Scope, condition: Filter | None, start_us: int, end_us: int, bucket_us: int
    ) -> Mapping[int, list[int]]:
        """Running times by bucket number, ascending, microseconds.

        Only the latest 2,000 ended runs are counted.
        """
        bucket = ((_WHEN - start_us) // bucket_us).label("bucket")
        statement = (
            select(bucket, _run.running_us)
            .where(in_scope(_run, scope), _run.ended_us.is_not(None))
            .order_by(_run.created_us.desc())
            .limit(_SAMPLE)
        )
        if start_us > 0:
            # For an interval with all runs, a planner estimates few rows, and sorts all.
            statement = statement.where(start_us <= _WHEN, end_us > _WHEN)
        if condition is not None:
            statement = statement.where(run_condition(condition))
        found: dict[int, list[int]] = {}
        for number, duration in self._connection.execute(statement):
            found.setdefault(number, []).append(duration)
        return {number: sorted(durations) for number, durations in found.items()}

    def _flow_counts(self, scope: Scope, flow_ids: Sequence[str]) -> dict[str, dict[RunState, int]]:
        table = tables.run_count.c
        statement = select(table.flow_id, table.state, table.runs).where(
            in_scope(table, scope), table.flow_id.in_(flow_ids), table.kind == int(RunKind.FLOW)
        )
        found: dict[str, dict[RunState, int]] = {}
        for flow_id, state, runs in self._connection.execute(statement):
            if runs:
                found.setdefault(flow_id, {})[RunState(state)] = runs
        return found

    def _last_runs(self, scope: Scope, flow_ids: Sequence[str]) -> dict[str, Run]:
        """The latest flow run of each flow."""
        flow = tables.flow.c
        latest = (
            select(_run.run_id)
            .where(in_scope(_run, scope), _run.flow_id == flow.flow_id, is_flow_run())
            .order_by(_run.created_us.desc(), _run.run_id.desc())
            .limit(1)
            .scalar_subquery()
        )
        statement = select(flow.flow_id, latest).where(
            in_scope(flow, scope), flow.flow_id.in_(flow_ids)
        )
        ids = {run_id: flow_id for flow_id, run_id in self._connection.execute(statement) if run_id}
        return {ids[run_id]: run for run_id, run in self.runs_by_id(scope, list(ids)).items()}
