"""The pauses of runs, on SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, select, update

from towpath_service.core.bus import Topic
from towpath_service.core.tenancy import EVERY_TENANT, check_tenants
from towpath_service.database.sql.bulk import upsert_rows
from towpath_service.runs.domain.pauses import Pause
from towpath_service.runs.domain.states import RunState
from towpath_service.runs.ports.ingest import RunKey
from towpath_service.runs.storage.rows import chunks, in_scope
from towpath_service.runs.storage.tables import run, run_pause

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from sqlalchemy import Connection

    from towpath_service.core.names import Scope
    from towpath_service.database.port import Database, SqlTransaction
    from towpath_service.runs.ports.ingest import ChangeSet, NewPause

_pause: Final = run_pause.c
_COLUMNS: Final = tuple(run_pause.c.keys())
_OVERDUE: Final = (
    select(_pause.tenant_id, _pause.run_id)
    .where(_pause.waiting, _pause.suspended, _pause.deadline_us <= bindparam("now"))
    .order_by(_pause.deadline_us, _pause.run_id)
    .limit(bindparam("most"))
)


def write_pauses(connection: Connection, changes: ChangeSet) -> None:
    """Writes the pauses that runs have entered.

    A run that enters a pause again, as after a crash, keeps the answer that it has; otherwise the
    pause begins anew.
    """
    if not changes.pauses:
        return
    entered = {(item.scope.tenant_id, item.run_id, item.terms.key): item for item in changes.pauses}
    answered = set(_answered(connection, entered))
    rows = [_row(item, changes.now_us) for key, item in entered.items() if key not in answered]
    upsert_rows(connection, run_pause, _COLUMNS, rows, replacing=_COLUMNS[3:])


def _answered(
    connection: Connection, keys: Collection[tuple[str, str, str]]
) -> Iterable[tuple[str, str, str]]:
    for tenant_id in {key[0] for key in keys}:
        of_tenant = {run_id for tenant, run_id, _ in keys if tenant == tenant_id}
        for chunk in chunks(of_tenant):
            found = connection.execute(
                select(_pause.run_id, _pause.pause_key).where(
                    _pause.tenant_id == tenant_id,
                    _pause.run_id.in_(chunk),
                    _pause.answered_us.is_not(None),
                )
            )
            yield from ((tenant_id, run_id, key) for run_id, key in found)


def _row(item: NewPause, now_us: int) -> tuple[Any, ...]:
    """All columns of a new pause, in their order."""
    timeout_us = item.terms.timeout_us
    return (
        item.scope.tenant_id,
        item.run_id,
        item.terms.key,
        item.scope.workspace_id,
        item.suspended,
        True,
        item.terms.input_schema,
        now_us,
        None if timeout_us is None else now_us + timeout_us,
        None,
        None,
        "",
        None,
    )


def latest_pause(connection: Connection, scope: Scope, run_id: str, key: str = "") -> Pause | None:
    """A pause of a run, or without a key the one that it entered last; None for no such one."""
    asked = (
        select(run_pause)
        .where(in_scope(_pause, scope), _pause.run_id == run_id)
        .order_by(_pause.created_us.desc(), _pause.answered_us.is_(None).desc())
        .limit(1)
    )
    if key:
        asked = asked.where(_pause.pause_key == key)
    row = connection.execute(asked).one_or_none()
    return None if row is None else _to_pause(row)


class SqlPauses:
    """The pauses of runs within one transaction."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction
        self._connection = transaction.connection
        self._tenants = transaction.tenants

    def state_of(self, scope: Scope, run_id: str) -> RunState | None:
        """The state of a run, without a lock; None for an unknown run."""
        check_tenants(self._tenants, (scope.tenant_id,))
        asked = select(run.c.state).where(in_scope(run.c, scope), run.c.run_id == run_id)
        state = self._connection.execute(asked).scalar_one_or_none()
        return None if state is None else RunState(state)

    def find(self, scope: Scope, run_id: str, key: str = "") -> Pause | None:
        """A pause of a run, or without a key the one that it entered last."""
        check_tenants(self._tenants, (scope.tenant_id,))
        return latest_pause(self._connection, scope, run_id, key)

    def latest(self, keys: Collection[RunKey]) -> dict[RunKey, Pause]:
        """The pause that each run entered last; runs without one are left out."""
        check_tenants(self._tenants, (key.tenant_id for key in keys))
        found: dict[RunKey, Pause] = {}
        for tenant_id in {key.tenant_id for key in keys}:
            for chunk in chunks({key.run_id for key in keys if key.tenant_id == tenant_id}):
                rows = self._connection.execute(
                    select(run_pause)
                    .where(_pause.tenant_id == tenant_id, _pause.run_id.in_(chunk))
                    .order_by(_pause.created_us, _pause.answered_us.is_(None))
                )
                found |= {RunKey(tenant_id, row.run_id): _to_pause(row) for row in rows}
        return found

    def answer(self, scope: Scope, run_id: str, pause: Pause) -> None:
        """Writes the answer of a pause, and wakes what waits for it."""
        check_tenants(self._tenants, (scope.tenant_id,))
        self._connection.execute(
            update(run_pause)
            .where(in_scope(_pause, scope), _pause.run_id == run_id, _pause.pause_key == pause.key)
            .values(
                waiting=False,
                answered_us=pause.answered_us,
                input=pause.input,
                actor=pause.actor,
                request_id=pause.request_id,
            )
        )
        self._transaction.topics.add(Topic("pause", *scope, run_id))

    def overdue(self, now_us: int, limit: int) -> list[RunKey]:
        """Runs of all tenants with an unanswered pause without a process past its deadline."""
        check_tenants(self._tenants, EVERY_TENANT)
        found = self._connection.execute(_OVERDUE, {"now": now_us, "most": limit})
        return [RunKey(*row) for row in found]

    def close(self, keys: Collection[RunKey]) -> None:
        """Notes that the unanswered pauses of runs are over."""
        check_tenants(self._tenants, (key.tenant_id for key in keys))
        for tenant_id in {key.tenant_id for key in keys}:
            for chunk in chunks({key.run_id for key in keys if key.tenant_id == tenant_id}):
                self._connection.execute(
                    update(run_pause)
                    .where(_pause.tenant_id == tenant_id, _pause.run_id.in_(chunk))
                    .where(_pause.waiting)
                    .values(waiting=False)
                )


class SqlRunPauses:
    """Reads the pauses that runs are in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self, scope: Scope, run_ids: Collection[str], /) -> Mapping[str, Pause]:
        """The pause that each run of a workspace entered last, by run id."""
        keys = {RunKey(scope.tenant_id, run_id) for run_id in run_ids}

        def read(transaction: SqlTransaction) -> dict[str, Pause]:
            found = SqlPauses(transaction).latest(keys)
            return {key.run_id: pause for key, pause in found.items()}

        return await self._database.read(read, tenants={scope.tenant_id})


def _to_pause(row: Any) -> Pause:
    return Pause(
        key=row.pause_key,
        suspended=bool(row.suspended),
        input_schema=row.input_schema,
        created_us=row.created_us,
        deadline_us=row.deadline_us,
        answered_us=row.answered_us,
        input=row.input,
        actor=row.actor,
        request_id=row.request_id,
    )
