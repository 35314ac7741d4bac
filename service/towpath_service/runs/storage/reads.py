"""The read side, and the removal of runs: statements over one connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy import (
    BigInteger,
    func,
    literal,
    select,
    tuple_,
    union_all,
)

from towpath_service.runs.domain.runs import (
    Decision,
    FlowSummary,
    LogEntry,
    Run,
    RunDetail,
    Transition,
)
from towpath_service.runs.domain.states import RunKind, RunState, Source
from towpath_service.runs.ports.reads import Floors
from towpath_service.runs.storage import tables as schema
from towpath_service.runs.storage.conditions import is_flow_run, log_condition, run_condition
from towpath_service.runs.storage.graph import BY_ID, graph_nodes
from towpath_service.runs.storage.one_tenant import of_one_tenant
from towpath_service.runs.storage.removal import remove_runs
from towpath_service.runs.storage.rows import chunks, in_scope, in_scope_by_run
from towpath_service.runs.storage.trees import of_tree

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import MappingResult, RowMapping, Select

    from towpath_service.core.names import Scope
    from towpath_service.database.port import SqlTransaction
    from towpath_service.runs.domain.filters import CountedCells, Filter
    from towpath_service.runs.domain.runs import GraphNode
    from towpath_service.runs.ports.reads import RunQuery, RunTree


_run = schema.run.c
_log = schema.log_line.c
_transition = schema.transition.c
_RUN_COLUMNS: Final = [column for column in schema.run.c if column.name != "tenant_id"]
_TRANSITION_COLUMNS: Final = [
    column for column in schema.transition.c if column.name != "tenant_id"
]
_ORDER_COLUMNS: Final[Mapping[str, Any]] = {
    "create_time": _run.created_us,
    "scheduled_time": func.coalesce(_run.scheduled_us, 0),
    "start_time": func.coalesce(_run.started_us, 0),
    "end_time": func.coalesce(_run.ended_us, 0),
    "run_duration": _run.running_us,
    "display_name": _run.display_name,
}


@of_one_tenant
class SqlReads:
    """Reads of one tenant over a connection in a transaction."""

    def __init__(self, transaction: SqlTransaction, tenant_id: str) -> None:
        self._connection = transaction.connection
        self._changed = transaction.changed
        self.tenant_id = tenant_id

    def position(self, scope: Scope) -> int:
        """Last position that a workspace has committed."""
        return self._counter(scope, schema.workspace.c.position)

    def log_position(self, scope: Scope) -> int:
        """Last position of a workspace's log lines."""
        return self._counter(scope, schema.workspace.c.log_position)

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
        details: dict[str, RunDetail] = {}
        table = schema.run_detail.c
        for chunk in chunks(run_ids):
            children = (
                select(_run.parent_run_id, _run.state, func.count())
                .where(in_scope_by_run(_run, scope), _run.parent_run_id.in_(chunk))
                .group_by(_run.parent_run_id, _run.state)
            )
            for parent, state, count in self._connection.execute(children):
                counts.setdefault(parent, {})[RunState(state)] = count
            rows = select(schema.run_detail).where(
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
                )
        for run_id in run_ids:
            details.setdefault(run_id, RunDetail(child_counts=counts.get(run_id, {})))
        return details

    def descendants(self, scope: Scope, run_id: str, *, depth: int, limit: int) -> list[Run]:
        """Reads a run and what is below it, parents before children."""
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
        """Reads a run and what is below it, parents before children, at most `limit` + 1."""
        return graph_nodes(self._connection, scope, run_id, depth=depth, limit=limit)

    def changed_runs(
        self, scope: Scope, after: int, until: int, limit: int
    ) -> list[tuple[int, str, Run | None]]:
        """Reads what changed between two positions."""
        statement = (
            select(*_RUN_COLUMNS)
            .where(in_scope(_run, scope), _run.position > after, _run.position <= until)
            .order_by(_run.position)
            .limit(limit)
        )
        gone = schema.deleted_run.c
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
        """Tells which of these runs match a filter now."""
        statement = select(_run.run_id).where(in_scope(_run, scope), run_condition(condition))
        return {
            run_id
            for chunk in chunks(run_ids)
            for run_id in self._connection.execute(
                statement.where(_run.run_id.in_(chunk))
            ).scalars()
        }

    def transitions(self, scope: Scope, run_id: str, after: int, limit: int) -> list[Transition]:
        """Reads a run's history above a revision."""
        statement = (
            select(*_TRANSITION_COLUMNS)
            .where(in_scope_by_run(_transition, scope), _transition.run_id == run_id)
            .where(_transition.revision > after)
            .order_by(_transition.revision)
            .limit(limit)
        )
        return [Transition(**row) for row in self._rows(statement)]

    def transitions_after(
        self, scope: Scope, after: int, limit: int, *, tree: RunTree | None, states: Sequence[int]
    ) -> list[Transition]:
        """Reads a workspace's transitions above a position, in commit order."""
        statement = select(*_TRANSITION_COLUMNS).where(
            in_scope(_transition, scope), _transition.position > after
        )
        if tree is not None:
            statement = statement.where(of_tree(_transition.run_id, scope, tree))
        if states:
            statement = statement.where(_transition.to_state.in_(states))
        rows = self._rows(statement.order_by(_transition.position).limit(limit))
        return [Transition(**row) for row in rows]

    def decisions(self, scope: Scope, run_id: str, after: int, limit: int) -> list[Decision]:
        """Reads decisions on a run's updates, leaving out the first `after` of them."""
        refusal = schema.refusal.c
        accepted = select(
            literal(1).label("accepted"),
            _transition.rule,
            _transition.reason,
            _transition.message,
            _transition.from_state,
            _transition.to_state,
            _transition.attempt,
            _transition.revision,
            _transition.occurred_us,
            _transition.recorded_us,
            _transition.source,
            _transition.producer_id,
            _transition.producer_sequence,
        ).where(in_scope_by_run(_transition, scope), _transition.run_id == run_id)
        refused = select(
            literal(0),
            refusal.rule,
            refusal.reason,
            refusal.message,
            refusal.current_state,
            refusal.requested_state,
            refusal.attempt,
            literal(0),
            refusal.occurred_us,
            refusal.recorded_us,
            literal(int(Source.PRODUCER)),
            refusal.producer_id,
            refusal.sequence,
        ).where(in_scope_by_run(refusal, scope), refusal.run_id == run_id)
        both = union_all(accepted, refused).subquery()
        statement = (
            select(both)
            .order_by(both.c.recorded_us, both.c.producer_sequence, both.c.revision)
            .offset(after)
            .limit(limit)
        )
        return [_to_decision(row) for row in self._rows(statement)]

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
        """Reads log lines above a position, in the order they came in."""
        statement = (
            select(*_LOG_COLUMNS)
            .where(in_scope(_log, scope), of_tree(_log.run_id, scope, tree), _log.position > after)
            .order_by(_log.position)
            .limit(limit)
        )
        return [LogEntry(**row) for row in self._rows(statement)]

    def dropped_logs(self, scope: Scope, tree: RunTree) -> int:
        """How many lines the producers of these runs have dropped."""
        producer = schema.producer.c
        producers = select(_run.producer_id).where(
            in_scope_by_run(_run, scope), of_tree(_run.run_id, scope, tree)
        )
        statement = select(func.coalesce(func.sum(producer.logs_dropped), 0)).where(
            in_scope(producer, scope), producer.producer_id.in_(producers)
        )
        return int(self._connection.execute(statement).scalar_one())

    def flows(self, scope: Scope, after: str, limit: int) -> list[FlowSummary]:
        """Reads a page of flows by id."""
        flow = schema.flow.c
        statement = (
            select(schema.flow)
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
        """Numbers of runs by state, as they are kept: whenever the runs were."""
        table = schema.run_count.c
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

        They are those of the latest 2,000 runs that have ended.
        """
        bucket = ((_WHEN - start_us) // bucket_us).label("bucket")
        statement = (
            select(bucket, _run.running_us)
            .where(in_scope(_run, scope), _run.ended_us.is_not(None))
            .order_by(_run.created_us.desc())
            .limit(_SAMPLE)
        )
        if start_us > 0:
            # Of a span that holds all of them a planner believes that it holds few, and sorts all.
            statement = statement.where(start_us <= _WHEN, end_us > _WHEN)
        if condition is not None:
            statement = statement.where(run_condition(condition))
        found: dict[int, list[int]] = {}
        for number, duration in self._connection.execute(statement):
            found.setdefault(number, []).append(duration)
        return {number: sorted(durations) for number, durations in found.items()}

    def floors(self, scope: Scope) -> Floors:
        """Positions up to which retention may have removed a workspace's changes."""
        columns = schema.workspace.c
        statement = select(
            columns.transition_floor, columns.log_floor, columns.tombstone_floor
        ).where(in_scope(columns, scope))
        row = self._connection.execute(statement).first()
        return Floors(*row) if row is not None else Floors(0, 0, 0)

    def delete_runs(self, scope: Scope, run_ids: Sequence[str], now_us: int) -> None:
        """Removes runs with all that belongs to them, and leaves tombstones for watches."""
        remove_runs(self._connection, scope, run_ids, now_us)
        self._changed.add(scope)

    def _counter(self, scope: Scope, column: Any) -> int:
        statement = select(column).where(in_scope(schema.workspace.c, scope))
        return cast("int", self._connection.execute(statement).scalar() or 0)

    def _flow_counts(self, scope: Scope, flow_ids: Sequence[str]) -> dict[str, dict[RunState, int]]:
        table = schema.run_count.c
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
        flow = schema.flow.c
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

    def _rows(self, statement: Select[Any]) -> MappingResult:
        return self._connection.execute(statement).mappings()


# Enough for a median and a 95th percentile, and read in milliseconds.
_SAMPLE: Final = 2_000
_WHEN: Final = func.coalesce(_run.started_us, _run.scheduled_us, _run.created_us)
_LOG_COLUMNS: Final = [
    column for column in schema.log_line.c if column.name not in {"tenant_id", "workspace_id"}
]


def _to_run(row: RowMapping) -> Run:
    values: dict[str, Any] = {**row}
    values["kind"] = RunKind(values["kind"])
    values["state"] = RunState(values["state"])
    return Run(**values)


def _to_decision(row: RowMapping) -> Decision:
    values: dict[str, Any] = {**row}
    values["accepted"] = bool(values["accepted"])
    return Decision(**values)
