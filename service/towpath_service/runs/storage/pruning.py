"""Retention's side of the store: removes old rows in windows of a few rows, oldest first.

Each kind is walked in the order of an index. A window without an old row ends the walk, since the
following rows are younger. Rows that a wrong clock placed later are removed by a later walk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, delete, exists, literal, select, text, tuple_, update

from towpath_service.core.names import Scope
from towpath_service.runs.domain.states import TERMINAL_STATES, RunState
from towpath_service.runs.ports.retention import OldRoots, Window
from towpath_service.runs.storage import tables
from towpath_service.runs.storage.removal import remove_runs
from towpath_service.runs.storage.rows import in_scope
from towpath_service.runs.storage.stored_bytes import add_stored, remove_counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath_service.database.port import SqlTransaction
    from towpath_service.runs.ports.retention import Cursor, Kind

# Any number that no other advisory lock in the database uses.
_CLAIM: Final = text("SELECT pg_try_advisory_xact_lock(8697285)")
_TERMINAL: Final = sorted(TERMINAL_STATES)
_UNFINISHED: Final = sorted(set(RunState) - TERMINAL_STATES)

_run = tables.run.c
_log = tables.log_line.c
_transition = tables.transition.c
_deleted = tables.deleted_run.c
_producer = tables.producer.c


class SqlPruning:
    """A Pruning over a connection in a transaction."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._connection = transaction.connection
        self._changed = transaction.changed

    def claim(self) -> bool:
        """Claims pruning until this transaction ends; False when another replica has it."""
        if self._connection.dialect.name == "sqlite":
            return True  # Writing transactions on SQLite are serialised.
        return bool(self._connection.execute(_CLAIM).scalar())

    def scopes(self) -> list[Scope]:
        """All workspaces."""
        columns = tables.workspace.c
        return [
            Scope(*row)
            for row in self._connection.execute(select(columns.tenant_id, columns.workspace_id))
        ]

    def prune(
        self, kind: Kind, scope: Scope, before_us: int, after: Cursor | None, limit: int
    ) -> Window:
        """Removes rows of a kind that are from before a time, among the next `limit` rows."""
        remove = {
            "logs": self._prune_logs,
            "transitions": self._prune_transitions,
            "tombstones": self._prune_tombstones,
            "producers": self._prune_producers,
        }[kind]
        return remove(scope, before_us, after, limit)

    def old_roots(self, scope: Scope, before_us: int, after: Cursor | None, limit: int) -> OldRoots:
        """Reads runs without a change since a time, oldest first."""
        above = tables.run.alias("above")
        place = (_run.created_us, _run.run_id)
        query = (
            select(*place, _run.root_run_id, _run.state, _run.updated_us, above.c.run_id)
            .outerjoin(
                above,
                and_(above.c.tenant_id == _run.tenant_id, above.c.run_id == _run.root_run_id),
            )
            .where(in_scope(_run, scope), _run.created_us < before_us)
            .order_by(*place)
            .limit(limit)
        )
        if after is not None:
            marks = (
                literal(value, column.type) for value, column in zip(after, place, strict=True)
            )
            query = query.where(tuple_(*place) > tuple_(*marks))
        rows = self._connection.execute(query).all()
        old = [
            run_id
            for _, run_id, root_id, state, updated_us, root in rows
            # The root of a run that arrived late may be gone.
            if (root_id == run_id or root is None)
            and RunState(state) in TERMINAL_STATES
            and updated_us < before_us
        ]
        following = (rows[-1][0], rows[-1][1]) if len(rows) == limit else None
        return OldRoots(run_ids=old, next=following)

    def has_young(self, scope: Scope, root_id: str, before_us: int) -> bool:
        """Whether any descendant has not ended, or ended after a time."""
        below = (_run.tenant_id == scope.tenant_id, _run.root_run_id == root_id)
        query = select(
            exists().where(*below, _run.state.in_(_UNFINISHED))
            | exists().where(*below, _run.updated_us >= before_us)
        )
        return bool(self._connection.execute(query).scalar())

    def remove_tree(self, scope: Scope, root_id: str, now_us: int, limit: int) -> tuple[int, bool]:
        """Removes at most `limit` descendants; the root goes with the last of them."""
        query = (
            select(_run.run_id)
            .where(_run.tenant_id == scope.tenant_id, _run.root_run_id == root_id)
            .where(_run.run_id != root_id)
            .limit(limit)
        )
        run_ids = list(self._connection.execute(query).scalars())
        is_all = len(run_ids) < limit
        if is_all:
            run_ids.append(root_id)
        removed = remove_runs(self._connection, scope, run_ids, now_us)
        if removed:
            self._changed.add(scope)
        return removed, is_all

    def _prune_logs(self, scope: Scope, before_us: int, after: Cursor | None, limit: int) -> Window:
        query = _with_run(
            select(_log.position, _log.occurred_us, _run.created_us).select_from(tables.log_line),
            _log,
        )
        rows = self._window(query, _log, (_log.position,), scope, after, limit)
        # A line's time is its process's own and may be wrong; its run existed at that time.
        old = [
            position
            for position, occurred_us, created_us in rows
            if occurred_us < before_us and (created_us is None or created_us < before_us)
        ]
        self._delete(_log, scope, _log.position, old)
        self._raise_floor(scope, "log_floor", old)
        return _outcome(rows, old, limit)

    def _prune_transitions(
        self, scope: Scope, before_us: int, after: Cursor | None, limit: int
    ) -> Window:
        query = _with_run(
            select(_transition.position, _transition.recorded_us, _run.state).select_from(
                tables.transition
            ),
            _transition,
        )
        rows = self._window(query, _transition, (_transition.position,), scope, after, limit)
        old = [
            position
            for position, recorded_us, state in rows
            if recorded_us < before_us and (state is None or state in _TERMINAL)
        ]
        self._delete(_transition, scope, _transition.position, old)
        self._raise_floor(scope, "transition_floor", old)
        return _outcome(rows, old, limit)

    def _prune_tombstones(
        self, scope: Scope, before_us: int, after: Cursor | None, limit: int
    ) -> Window:
        query = select(_deleted.position, _deleted.deleted_us)
        rows = self._window(query, _deleted, (_deleted.position,), scope, after, limit)
        old = [position for position, deleted_us in rows if deleted_us < before_us]
        self._delete(_deleted, scope, _deleted.position, old)
        self._raise_floor(scope, "tombstone_floor", old)
        return _outcome(rows, old, limit)

    def _prune_producers(
        self, scope: Scope, before_us: int, after: Cursor | None, limit: int
    ) -> Window:
        busy = exists().where(
            _run.tenant_id == scope.tenant_id,
            _run.producer_id == _producer.producer_id,
            _run.state.in_(_UNFINISHED),
        )
        # Producer ids are UUIDs that begin with their time of creation.
        query = select(_producer.producer_id, _producer.seen_us, busy)
        rows = self._window(query, _producer, (_producer.producer_id,), scope, after, limit)
        old = [item for item, seen_us, is_busy in rows if seen_us < before_us and not is_busy]
        if old:
            # A producer that came back meanwhile stays, with its records.
            silent = (_producer.producer_id.in_(old), _producer.seen_us < before_us)
            removed = delete(tables.producer).where(in_scope(_producer, scope), *silent)
            gone = self._connection.execute(removed.returning(_producer.producer_id)).scalars()
            refusal = tables.refusal.c
            self._delete(refusal, scope, refusal.producer_id, list(gone))
        return _outcome(rows, old, limit)

    def _window(
        self,
        query: Any,
        columns: Any,
        place: tuple[Any],
        scope: Scope,
        after: Cursor | None,
        limit: int,
    ) -> Sequence[Any]:
        query = query.where(in_scope(columns, scope)).order_by(*place).limit(limit)
        if after is not None:
            query = query.where(place[0] > after[0])
        return self._connection.execute(query).all()

    def _delete(self, columns: Any, scope: Scope, key: Any, values: Sequence[Any]) -> None:
        if values:
            table = key.table
            size = remove_counted(
                self._connection, table, in_scope(columns, scope), key.in_(values)
            )
            add_stored(self._connection, scope, -size)

    def _raise_floor(self, scope: Scope, floor: str, positions: Sequence[int]) -> None:
        if positions:
            columns = tables.workspace.c
            self._connection.execute(
                update(tables.workspace)
                .where(in_scope(columns, scope), columns[floor] < positions[-1])
                .values({floor: positions[-1]})
            )


def _with_run(query: Any, columns: Any) -> Any:
    return query.outerjoin(
        tables.run, and_(_run.tenant_id == columns.tenant_id, _run.run_id == columns.run_id)
    )


def _outcome(rows: Sequence[Any], old: Sequence[Any], limit: int) -> Window:
    more = bool(old) and len(rows) == limit
    return Window(removed=len(old), next=(rows[-1][0],) if more else None)
