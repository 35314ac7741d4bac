"""The write side: set-based statements over one connection, the same on every database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy import BigInteger, and_, bindparam, exists, select, true, update

from towpath_service.core.names import Scope, is_uuid
from towpath_service.core.stored import Stored
from towpath_service.core.tenancy import EVERY_TENANT, check_tenants
from towpath_service.database.sql.bulk import insert_rows, read_rows, upsert_rows
from towpath_service.database.sql.notices import NOTIFY, notices_of
from towpath_service.database.sql.one_statement import OneStatement
from towpath_service.runs.domain.states import SUSPENDED, TERMINAL_STATES, RunState
from towpath_service.runs.ports.ingest import (
    ChangeSet,
    LogLine,
    ProducerKey,
    ProducerRecord,
    Refusal,
    RunKey,
)
from towpath_service.runs.storage import tables
from towpath_service.runs.storage.amendments import write_amendments, write_progress
from towpath_service.runs.storage.artifacts import write_artifacts
from towpath_service.runs.storage.change_rows import (
    write_counts,
    write_details,
    write_producers,
    write_runs,
)
from towpath_service.runs.storage.descriptions import write_descriptions
from towpath_service.runs.storage.pauses import write_pauses
from towpath_service.runs.storage.producer_claims import claim_producers, read_standing
from towpath_service.runs.storage.rows import (
    by_scope,
    chunks,
    in_scope,
    log_row,
    refusal_row,
    to_producer,
    to_refusal,
)
from towpath_service.runs.storage.run_rows import (
    STATUS_COLUMNS,
    leased_moves,
    to_status,
    transition_rows,
)
from towpath_service.runs.storage.stored_bytes import Sizes, stored_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from sqlalchemy import Row, Select

    from towpath_service.core.transactions import LeaseMoves, StorageLimits
    from towpath_service.database.port import SqlTransaction
    from towpath_service.database.sql.one_statement import Executor
    from towpath_service.runs.domain.decisions import RunStatus

_WORKSPACE_COLUMNS: Final = (
    *("tenant_id", "workspace_id", "position", "log_position", "created_us"),
)
_UNFINISHED: Final = sorted(set(RunState) - TERMINAL_STATES)

_run = tables.run.c


def _of_producers(query: Select[Any], columns: Any) -> Select[Any]:
    return query.where(
        columns.tenant_id == bindparam("tenant"),
        columns.workspace_id == bindparam("workspace"),
        columns.producer_id.in_(bindparam("producers", expanding=True)),
    )


def _advancing(counter: str, size: Any) -> Any:
    columns = tables.workspace.c
    column = columns[counter]
    return (
        update(tables.workspace)
        .where(
            columns.tenant_id == bindparam("tenant"),
            columns.workspace_id == bindparam("workspace"),
        )
        .values(
            {
                counter: column + bindparam("count", type_=BigInteger),
                "stored_bytes": columns.stored_bytes + size,
            }
        )
        .returning(column)
    )


# Dispatched runs without a process, until somebody resumes them.
_SUSPENDED: Final = and_(_run.state == RunState.PAUSED, _run.reason == SUSPENDED, _run.fence > 0)

# Every commit runs this statement, and building it takes longer than running it.
_PRODUCERS: Final = _of_producers(select(tables.producer), tables.producer.c)
_REFUSALS: Final = _of_producers(
    select(tables.refusal).where(tables.refusal.c.confirmed.is_(False)), tables.refusal.c
)
_ADVANCING: Final = {
    counter: _advancing(counter, bindparam("size", type_=BigInteger))
    for counter in ("position", "log_position")
}


class SqlIngestTransaction:
    """An IngestTransaction over a connection in a transaction."""

    def __init__(
        self,
        transaction: SqlTransaction,
        limits: StorageLimits,
        *,
        leases: LeaseMoves | None = None,
        supervised: Callable[[Any], Any] | None = None,
    ) -> None:
        self._transaction = transaction
        self._leases = leases
        self._connection = transaction.connection
        self._tenants = transaction.tenants
        self._limits = limits
        self._supervised = supervised
        self._sizes = Sizes(self._connection.dialect)
        self._positions: dict[Scope, int] = {}

    def claim(
        self, keys: Collection[ProducerKey], now_us: int
    ) -> dict[ProducerKey, ProducerRecord]:
        """Reads and locks producers until this transaction ends."""
        check_tenants(self._tenants, (key.tenant_id for key in keys))
        if self._connection.dialect.name == "sqlite":
            return self.producers(keys)  # Writing transactions on SQLite are serialised.
        return claim_producers(self._connection, keys, now_us)

    def producers(self, keys: Collection[ProducerKey]) -> dict[ProducerKey, ProducerRecord]:
        """Reads producers; unknown ones are left out."""
        check_tenants(self._tenants, (key.tenant_id for key in keys))
        found: dict[ProducerKey, ProducerRecord] = {}
        for row in self._of_producers(_PRODUCERS, keys):
            producer = to_producer(row)
            found[producer.key] = producer
        return found

    def standing(
        self, runs: Collection[RunKey], producers: Collection[ProducerKey]
    ) -> tuple[dict[RunKey, RunStatus], dict[ProducerKey, list[Refusal]]]:
        """Reads the status of runs, and the unconfirmed refusals of claimed producers."""
        check_tenants(self._tenants, (key.tenant_id for key in runs))
        check_tenants(self._tenants, (key.tenant_id for key in producers))
        found: dict[RunKey, RunStatus] = {}
        refused = self._connection.dialect.name == "sqlite" or not runs
        # An update may name any text as its run; a text that is no UUID matches no run.
        wanted = [key for key in runs if is_uuid(key.run_id)]
        for tenant_id in sorted({key.tenant_id for key in runs}):
            run_ids = [key.run_id for key in wanted if key.tenant_id == tenant_id]
            rows, some = self._read_runs(tenant_id, run_ids, producers)
            refused = refused or some
            found.update((RunKey(tenant_id, row[0]), to_status(row)) for row in rows)
        return found, self.refusals(producers) if refused else {}

    def _read_runs(
        self, tenant_id: str, run_ids: Sequence[str], producers: Collection[ProducerKey]
    ) -> tuple[list[Sequence[Any]], bool]:
        if self._connection.dialect.name == "postgresql":
            return read_standing(self._connection, STATUS_COLUMNS, tenant_id, run_ids, producers)
        rows = read_rows(
            self._connection,
            STATUS_COLUMNS,
            condition=(_run.tenant_id, tenant_id),
            among=(_run.run_id, run_ids),
        )
        return rows, False

    def refusals(self, keys: Collection[ProducerKey]) -> dict[ProducerKey, list[Refusal]]:
        """Reads the refusals that their producers haven't confirmed, by sequence."""
        check_tenants(self._tenants, (key.tenant_id for key in keys))
        found: dict[ProducerKey, list[Refusal]] = {}
        rows = self._of_producers(_REFUSALS, keys)
        for row in sorted(rows, key=lambda row: cast("int", row.sequence)):
            refusal = to_refusal(row)
            found.setdefault(refusal.producer, []).append(refusal)
        return found

    def position(self, scope: Scope) -> int:
        """Last position of a workspace, including this transaction's own writes."""
        check_tenants(self._tenants, (scope.tenant_id,))
        if scope in self._positions:
            return self._positions[scope]
        columns = tables.workspace.c
        query = select(columns.position).where(in_scope(columns, scope))
        return cast("int", self._connection.execute(query).scalar() or 0)

    def stored(self, tenant_ids: Collection[str]) -> dict[str, Stored]:
        """Storage used and permitted by tenant; tenants without a limit are left out."""
        check_tenants(self._tenants, tenant_ids)
        limits = self._limits(self._transaction, tenant_ids)
        return {
            tenant_id: Stored(stored_of(self._connection, tenant_id), limit)
            for tenant_id, limit in limits.items()
        }

    def write(self, changes: ChangeSet) -> None:
        """Writes a change set, numbering its changes in their workspaces."""
        positions = self._allocate(changes)
        check_tenants(self._tenants, (scope.tenant_id for scope in positions))
        check_tenants(self._tenants, (producer.key.tenant_id for producer in changes.producers))
        check_tenants(self._tenants, (item.producer.tenant_id for item in changes.refusals))
        transitions, latest = transition_rows(changes, positions)
        together = None
        if self._connection.dialect.name == "postgresql":
            together = OneStatement(self._connection)
        writing: Executor = together or self._connection
        write_runs(writing, changes, latest)
        insert_rows(writing, tables.transition, transitions)
        write_details(writing, changes)
        write_counts(writing, changes)
        write_producers(writing, changes.producers)
        if together is not None:
            together.run(NOTIFY, notices_of(self._transaction))
            self._transaction.changed.clear()
            self._transaction.announced.update(self._transaction.topics)
        write_progress(self._connection, changes, positions)
        write_amendments(self._connection, changes, positions)
        write_descriptions(self._connection, changes, positions)
        write_artifacts(self._connection, changes.artifacts, changes.now_us)
        write_pauses(self._connection, changes)
        self._write_refusals(changes)
        moves = leased_moves(changes)
        if moves and self._leases is not None:
            self._leases(self._transaction, moves, changes.now_us)

    def write_producers(self, producers: Sequence[ProducerRecord]) -> None:
        """Writes producers alone."""
        check_tenants(self._tenants, (producer.key.tenant_id for producer in producers))
        write_producers(self._connection, producers)

    def write_logs(self, producer: ProducerKey, lines: Sequence[LogLine], now_us: int) -> int:
        """Writes the lines that are new; returns how many."""
        check_tenants(self._tenants, (producer.tenant_id,))
        columns = tables.log_line.c
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
            size = self._sizes.lines(list(fresh.values()))
            first = self._advance(scope, "log_position", len(fresh), now_us, size)
            rows = [
                log_row(producer, line, first + offset)
                for offset, line in enumerate(fresh.values())
            ]
            insert_rows(self._connection, tables.log_line, rows)
        return len(fresh)

    def touch_producers(self, keys: Collection[ProducerKey], now_us: int) -> None:
        """Records that producers are alive."""
        check_tenants(self._tenants, (key.tenant_id for key in keys))
        columns = tables.producer.c
        for scope, ids in by_scope(keys):
            for chunk in chunks(ids):
                where = and_(in_scope(columns, scope), columns.producer_id.in_(chunk))
                if self._connection.dialect.name == "postgresql":
                    # The transaction that locks a producer records its sign of life itself.
                    free = (
                        select(columns.producer_id).where(where).with_for_update(skip_locked=True)
                    )
                    where = and_(in_scope(columns, scope), columns.producer_id.in_(free))
                self._connection.execute(
                    update(tables.producer).where(where).values(seen_us=now_us)
                )

    def hear_of_all(self, now_us: int) -> None:
        """Records that all producers with unfinished runs are alive."""
        check_tenants(self._tenants, EVERY_TENANT)
        columns = tables.producer.c
        busy = exists().where(
            _run.tenant_id == columns.tenant_id,
            _run.producer_id == columns.producer_id,
            _run.state.in_(_UNFINISHED),
        )
        self._connection.execute(update(tables.producer).where(busy).values(seen_us=now_us))

    def runs_of_silent_producers(
        self, silent_since_us: int, limit: int
    ) -> list[tuple[Scope, RunStatus]]:
        """Reads unfinished runs whose producer was last seen before a time."""
        check_tenants(self._tenants, EVERY_TENANT)
        producer = tables.producer.c
        query = (
            select(_run.tenant_id, _run.workspace_id, *STATUS_COLUMNS)
            .join(
                tables.producer,
                and_(
                    producer.tenant_id == _run.tenant_id,
                    producer.workspace_id == _run.workspace_id,
                    producer.producer_id == _run.producer_id,
                ),
            )
            .where(producer.seen_us < silent_since_us, _run.state.in_(_UNFINISHED))
            .where(_run.state != RunState.SCHEDULED, ~_SUSPENDED)
            .where(true() if self._supervised is None else ~self._supervised(_run))
            .order_by(_run.run_id)
            .limit(limit)
            .with_for_update(of=tables.run, skip_locked=True)
        )
        return [
            (Scope(tenant_id, workspace_id), to_status(status))
            for tenant_id, workspace_id, *status in self._connection.execute(query)
        ]

    def _of_producers(
        self, query: Select[Any], keys: Collection[ProducerKey]
    ) -> Iterator[Row[Any]]:
        for (tenant_id, workspace_id), ids in by_scope(keys):
            for chunk in chunks(ids):
                named = {"tenant": tenant_id, "workspace": workspace_id, "producers": chunk}
                yield from self._connection.execute(query, named)

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
        for scope, _, _ in (*changes.amendments, *changes.descriptions):
            needed[scope] = needed.get(scope, 0) + 1
        for made in changes.artifacts:
            # A position locks the workspace, which the versions of keys need.
            needed[made.scope] = needed.get(made.scope, 0) + 1
        sizes = self._sizes.changes(changes)
        return {
            scope: self._advance(
                scope, "position", needed.get(scope, 0), changes.now_us, sizes.get(scope, 0)
            )
            for scope in sorted(needed.keys() | sizes.keys())
        }

    def _advance(self, scope: Scope, counter: str, count: int, now_us: int, size: Any) -> int:
        query, named = _ADVANCING[counter], {"count": count, "size": size}
        if not isinstance(size, int):
            query, named = _advancing(counter, size), {"count": count}
        named |= {"tenant": scope.tenant_id, "workspace": scope.workspace_id}
        last = self._connection.execute(query, named).scalar()
        if last is None:
            upsert_rows(
                self._connection, tables.workspace, _WORKSPACE_COLUMNS, [(*scope, 0, 0, now_us)]
            )
            last = self._connection.execute(query, named).scalar_one()
        self._transaction.changed.add(scope)
        if counter == "position":
            self._positions[scope] = cast("int", last)
        return cast("int", last) - count + 1

    def _write_refusals(self, changes: ChangeSet) -> None:
        refusal = tables.refusal.c
        for key, sequence in changes.confirmed.items():
            self._connection.execute(
                update(tables.refusal)
                .where(
                    refusal.tenant_id == key.tenant_id,
                    refusal.workspace_id == key.workspace_id,
                    refusal.producer_id == key.producer_id,
                    refusal.sequence <= sequence,
                    refusal.confirmed.is_(False),
                )
                .values(confirmed=True)
            )
        rows = [refusal_row(item, changes.now_us) for item in changes.refusals]
        insert_rows(self._connection, tables.refusal, rows)
