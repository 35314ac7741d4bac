"""The write side: set-based statements over one connection, the same on every database."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy import and_, insert, select, update

from towpath_service.domain.states import TERMINAL_STATES, RunState
from towpath_service.ports.bus import Scope
from towpath_service.ports.ingest import (
    ChangeSet,
    LogLine,
    ProducerKey,
    ProducerRecord,
    Refusal,
    RunKey,
)
from towpath_service.storage import schema
from towpath_service.storage.amendments import write_amendments, write_progress
from towpath_service.storage.bulk import insert_rows, read_rows, update_rows
from towpath_service.storage.rows import (
    by_scope,
    chunks,
    in_scope,
    log_row,
    to_refusal,
)
from towpath_service.storage.run_rows import (
    CHANGED_COLUMNS,
    STATUS_COLUMNS,
    changed_row,
    new_row,
    to_status,
    transition_rows,
)
from towpath_service.storage.upserts import insert_or_ignore, upsert

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from sqlalchemy import Connection, Row, Select

    from towpath_service.domain.decisions import RunStatus

_UNFINISHED: Final = sorted(set(RunState) - TERMINAL_STATES)

_run = schema.run.c


class SqlIngestTransaction:
    """An IngestTransaction over a connection in a transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def producers(self, keys: Collection[ProducerKey]) -> dict[ProducerKey, ProducerRecord]:
        """Reads producers; unknown ones are left out."""
        columns = schema.producer.c
        query = select(schema.producer)
        found: dict[ProducerKey, ProducerRecord] = {}
        for scope, ids in by_scope(keys):
            for row in self._chunked(query, columns.producer_id, ids, in_scope(columns, scope)):
                key = ProducerKey(row.tenant_id, row.workspace_id, row.producer_id)
                found[key] = ProducerRecord(
                    key=key,
                    committed_sequence=row.committed_sequence,
                    epoch=row.epoch,
                    log_sequence=row.log_sequence,
                    logs_dropped=row.logs_dropped,
                    info=row.info,
                    committed_us=row.committed_us,
                    seen_us=row.seen_us,
                )
        return found

    def runs(self, keys: Collection[RunKey]) -> dict[RunKey, RunStatus]:
        """Reads where runs stand; unknown ones are left out."""
        found: dict[RunKey, RunStatus] = {}
        for tenant_id in {key.tenant_id for key in keys}:
            rows = read_rows(
                self._connection,
                STATUS_COLUMNS,
                condition=(_run.tenant_id, tenant_id),
                among=(_run.run_id, [key.run_id for key in keys if key.tenant_id == tenant_id]),
            )
            found.update((RunKey(tenant_id, row[0]), to_status(row)) for row in rows)
        return found

    def refusals(self, keys: Collection[ProducerKey]) -> dict[ProducerKey, list[Refusal]]:
        """Reads the refusals that their producers haven't confirmed, by sequence."""
        columns = schema.refusal.c
        query = select(schema.refusal).where(columns.confirmed.is_(False))
        found: dict[ProducerKey, list[Refusal]] = {}
        for scope, ids in by_scope(keys):
            rows = self._chunked(query, columns.producer_id, ids, in_scope(columns, scope))
            for row in sorted(rows, key=lambda row: cast("int", row.sequence)):
                refusal = to_refusal(row)
                found.setdefault(refusal.producer, []).append(refusal)
        return found

    def position(self, scope: Scope) -> int:
        """Last position of a workspace, that of this transaction's own writes included."""
        columns = schema.workspace.c
        query = select(columns.position).where(in_scope(columns, scope))
        return cast("int", self._connection.execute(query).scalar() or 0)

    def write(self, changes: ChangeSet) -> None:
        """Writes a change set, numbering its changes in their workspaces."""
        positions = self._allocate(changes)
        transitions, latest = transition_rows(changes, positions)
        self._insert_runs(changes, latest)
        self._update_runs(changes, latest)
        insert_rows(self._connection, schema.transition, transitions)
        self._write_details(changes)
        self._count(changes)
        write_progress(self._connection, changes, positions)
        write_amendments(self._connection, changes, positions)
        self._write_refusals(changes)
        self.write_producers(changes.producers)

    def write_producers(self, producers: Sequence[ProducerRecord]) -> None:
        """Writes producers alone."""
        if not producers:
            return
        statement = upsert(
            self._connection,
            schema.producer,
            ("committed_sequence", "epoch", "logs_dropped", "info", "committed_us", "seen_us"),
        )
        rows = [
            {
                "tenant_id": producer.key.tenant_id,
                "workspace_id": producer.key.workspace_id,
                "producer_id": producer.key.producer_id,
                "committed_sequence": producer.committed_sequence,
                "epoch": producer.epoch,
                "log_sequence": producer.log_sequence,
                "logs_dropped": producer.logs_dropped,
                "info": producer.info,
                "committed_us": producer.committed_us,
                "seen_us": producer.seen_us,
            }
            for producer in producers
        ]
        self._connection.execute(statement, rows)

    def write_logs(self, producer: ProducerKey, lines: Sequence[LogLine], now_us: int) -> int:
        """Writes the lines that are new, and tells how many."""
        columns = schema.log_line.c
        scope = Scope(producer.tenant_id, producer.workspace_id)
        known = {
            row.sequence
            for row in self._chunked(
                select(columns.sequence),
                columns.sequence,
                [line.sequence for line in lines],
                and_(in_scope(columns, scope), columns.producer_id == producer.producer_id),
            )
        }
        fresh = {line.sequence: line for line in lines if line.sequence not in known}
        if fresh:
            first = self._advance(scope, "log_position", len(fresh), now_us)
            rows = [
                log_row(producer, line, first + offset)
                for offset, line in enumerate(fresh.values())
            ]
            self._connection.execute(insert(schema.log_line), rows)
        return len(fresh)

    def touch_producers(self, keys: Collection[ProducerKey], now_us: int) -> None:
        """Notes that producers are alive."""
        columns = schema.producer.c
        for scope, ids in by_scope(keys):
            for chunk in chunks(ids):
                self._connection.execute(
                    update(schema.producer)
                    .where(in_scope(columns, scope), columns.producer_id.in_(chunk))
                    .values(seen_us=now_us)
                )

    def runs_of_silent_producers(
        self, silent_since_us: int, limit: int
    ) -> list[tuple[Scope, RunStatus]]:
        """Reads unfinished runs whose producer was last seen before a time."""
        producer = schema.producer.c
        query = (
            select(_run.tenant_id, _run.workspace_id, *STATUS_COLUMNS)
            .join(
                schema.producer,
                and_(
                    producer.tenant_id == _run.tenant_id,
                    producer.workspace_id == _run.workspace_id,
                    producer.producer_id == _run.producer_id,
                ),
            )
            .where(producer.seen_us < silent_since_us, _run.state.in_(_UNFINISHED))
            .where(_run.state != RunState.SCHEDULED)
            .limit(limit)
        )
        return [
            (Scope(tenant_id, workspace_id), to_status(status))
            for tenant_id, workspace_id, *status in self._connection.execute(query)
        ]

    def _chunked(
        self, query: Select[Any], column: Any, values: Sequence[Any], condition: Any
    ) -> Iterator[Row[Any]]:
        for chunk in chunks(values):
            yield from self._connection.execute(query.where(condition, column.in_(chunk)))

    def _allocate(self, changes: ChangeSet) -> dict[Scope, int]:
        needed: dict[Scope, int] = {}
        for row in changes.transitions:
            needed[row.scope] = needed.get(row.scope, 0) + 1
        for scope, _ in changes.progress.values():
            needed[scope] = needed.get(scope, 0) + 1
        for scope, _, _ in changes.amendments:
            needed[scope] = needed.get(scope, 0) + 1
        return {
            scope: self._advance(scope, "position", count, changes.now_us)
            for scope, count in needed.items()
        }

    def _advance(self, scope: Scope, counter: str, count: int, now_us: int) -> int:
        columns = schema.workspace.c
        column = columns[counter]
        where = in_scope(columns, scope)
        self._connection.execute(
            insert_or_ignore(self._connection, schema.workspace),
            {
                "tenant_id": scope.tenant_id,
                "workspace_id": scope.workspace_id,
                "position": 0,
                "log_position": 0,
                "created_us": now_us,
            },
        )
        query = (
            update(schema.workspace)
            .where(where)
            .values({counter: column + count})
            .returning(column)
        )
        return cast("int", self._connection.execute(query).scalar_one()) - count + 1

    def _insert_runs(self, changes: ChangeSet, latest: dict[RunKey, int]) -> None:
        if not changes.new_runs:
            return
        self._insert_flows(changes)
        rows: list[tuple[Any, ...]] = []
        tags: list[tuple[Any, ...]] = []
        labels: list[tuple[Any, ...]] = []
        for new in changes.new_runs:
            scope, creation, run_id = new.scope, new.creation, new.status.run_id
            rows.append(new_row(new, changes.now_us, latest[RunKey(scope.tenant_id, run_id)]))
            tags.extend((*scope, tag, run_id) for tag in set(creation.tags))
            if creation.labels:
                labels.extend((*scope, *label, run_id) for label in creation.labels.items())
        insert_rows(self._connection, schema.run, rows)
        insert_rows(self._connection, schema.run_tag, tags)
        insert_rows(self._connection, schema.run_label, labels)

    def _insert_flows(self, changes: ChangeSet) -> None:
        flows = {
            (new.scope, new.creation.flow_id): {
                "tenant_id": new.scope.tenant_id,
                "workspace_id": new.scope.workspace_id,
                "flow_id": new.creation.flow_id,
                "display_name": new.creation.flow_name or new.creation.flow_id,
                "created_us": changes.now_us,
            }
            for new in changes.new_runs
            if new.creation.flow_id
        }
        self._execute(insert_or_ignore(self._connection, schema.flow), list(flows.values()))

    def _update_runs(self, changes: ChangeSet, latest: dict[RunKey, int]) -> None:
        rows = [
            changed_row(key.tenant_id, status, changes.now_us, latest[key])
            for key, (_, status) in changes.changed_runs.items()
        ]
        update_rows(self._connection, schema.run, CHANGED_COLUMNS, rows)

    def _write_details(self, changes: ChangeSet) -> None:
        rows: dict[RunKey, dict[str, Any]] = {}
        for new in changes.new_runs:
            detail = new.creation
            if detail.parameters or detail.dependencies or detail.retry_policy or detail.timeout_us:
                key = RunKey(new.scope.tenant_id, new.status.run_id)
                rows[key] = {
                    "parameters": detail.parameters,
                    "dependencies": detail.dependencies,
                    "retry_policy": detail.retry_policy,
                    "timeout_us": detail.timeout_us,
                }
        self._upsert_details(rows)
        outcomes: dict[RunKey, dict[str, Any]] = {}
        for key in changes.results.keys() | changes.failures.keys():
            outcomes[key] = {
                "result": changes.results.get(key),
                "failure": changes.failures.get(key),
            }
        self._upsert_details(outcomes)

    def _upsert_details(self, rows: dict[RunKey, dict[str, Any]]) -> None:
        if not rows:
            return
        columns = tuple(next(iter(rows.values())))
        self._execute(
            upsert(self._connection, schema.run_detail, columns),
            [
                {"tenant_id": key.tenant_id, "run_id": key.run_id, **row}
                for key, row in rows.items()
            ],
        )

    def _count(self, changes: ChangeSet) -> None:
        rows = [
            {
                "tenant_id": scope.tenant_id,
                "workspace_id": scope.workspace_id,
                "flow_id": flow_id,
                "kind": kind,
                "state": state,
                "runs": delta,
            }
            for (scope, flow_id, kind, state), delta in sorted(changes.count_deltas.items())
            if delta
        ]
        self._execute(upsert(self._connection, schema.run_count, (), adding=("runs",)), rows)

    def _write_refusals(self, changes: ChangeSet) -> None:
        refusal = schema.refusal.c
        for key, sequence in changes.confirmed.items():
            self._connection.execute(
                update(schema.refusal)
                .where(
                    refusal.tenant_id == key.tenant_id,
                    refusal.workspace_id == key.workspace_id,
                    refusal.producer_id == key.producer_id,
                    refusal.sequence <= sequence,
                    refusal.confirmed.is_(False),
                )
                .values(confirmed=True)
            )
        self._execute(
            insert(schema.refusal),
            [
                {
                    "tenant_id": item.producer.tenant_id,
                    "workspace_id": item.producer.workspace_id,
                    "producer_id": item.producer.producer_id,
                    "sequence": item.sequence,
                    "run_id": item.run_id[:255],
                    "reason": item.reason,
                    "rule": item.rule,
                    "message": item.message,
                    "metadata": json.dumps(dict(item.metadata)),
                    "current_state": int(item.current_state or 0),
                    "requested_state": int(item.requested_state or 0),
                    "attempt": item.attempt,
                    "occurred_us": item.occurred_us,
                    "recorded_us": changes.now_us,
                    "confirmed": False,
                }
                for item in changes.refusals
            ],
        )

    def _execute(self, statement: Any, rows: list[dict[str, Any]]) -> None:
        if rows:
            self._connection.execute(statement, rows)
