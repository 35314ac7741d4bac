"""Backfills on SQL; the store on any database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import and_, func, or_, select, update

from towpath_service.core.bus import SCHEDULES
from towpath_service.core.tenancy import EVERY_TENANT, check_tenants
from towpath_service.database.sql.statements import insert_new
from towpath_service.runs.domain.states import TERMINAL_STATES
from towpath_service.runs.storage.tables import run
from towpath_service.work.domain.backfills import Backfill, BackfillState
from towpath_service.work.domain.names import BackfillName, ScheduleName
from towpath_service.work.ports.backfills import BackfillKey, OpenBackfill
from towpath_service.work.storage.control import SqlControl
from towpath_service.work.storage.tables import backfill, queued, run_origin

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from towpath_service.core.transactions import Quotas
    from towpath_service.database.port import Database, SqlTransaction
    from towpath_service.runs.ports.store import RunStore

Result = TypeVar("Result")

BACKFILL: Final = "backfill"
"""Name of the transactions about backfills."""

_backfill = backfill.c
_origin = run_origin.c
_OF_RUN: Final = and_(run.c.tenant_id == _origin.tenant_id, run.c.run_id == _origin.run_id)
_OF_ENTRY: Final = and_(queued.c.tenant_id == _origin.tenant_id, queued.c.run_id == _origin.run_id)


class SqlBackfills:
    """One transaction over backfills and runs."""

    def __init__(self, transaction: SqlTransaction, runs: RunStore, quotas: Quotas) -> None:
        self._transaction = transaction
        self._quotas = quotas
        self._connection = transaction.connection
        self.control = SqlControl(transaction, runs.on(transaction))

    def get(self, key: BackfillKey, *, lock: bool = False) -> Backfill | None:
        """A backfill, locked against changes if asked for; None when there is none."""
        self._check(key.tenant_id)
        found = select(backfill).where(*_named(key))
        row = self._connection.execute(found.with_for_update() if lock else found).one_or_none()
        return None if row is None else _to_backfill(row)

    def page(
        self, tenant_id: str, workspace_id: str, after: tuple[str, ...], limit: int
    ) -> list[Backfill]:
        """A page of backfills, newest first."""
        self._check(tenant_id)
        found = select(backfill).where(
            _backfill.tenant_id == tenant_id, _backfill.workspace_id == workspace_id
        )
        if after:
            made_us, backfill_id = int(after[0]), after[1]
            later = and_(_backfill.created_us == made_us, _backfill.backfill_id > backfill_id)
            found = found.where(or_(_backfill.created_us < made_us, later))
        ordered = found.order_by(_backfill.created_us.desc(), _backfill.backfill_id).limit(limit)
        return list(map(_to_backfill, self._connection.execute(ordered)))

    def active(self, tenant_id: str, workspace_id: str, ids: Collection[str]) -> Mapping[str, int]:
        """The unfinished runs of backfills, by backfill; those without any are left out."""
        self._check(tenant_id)
        if not ids:
            return {}
        rows = self._connection.execute(
            select(_origin.backfill_id, func.count())
            .join(run, _OF_RUN)
            .where(
                _origin.tenant_id == tenant_id,
                _origin.workspace_id == workspace_id,
                _origin.backfill_id.in_(sorted(ids)),
                run.c.state.not_in(sorted(TERMINAL_STATES)),
            )
            .group_by(_origin.backfill_id)
        )
        return {row[0]: row[1] for row in rows}

    def open_count(self, tenant_id: str) -> int:
        """The number of a tenant's backfills that create runs."""
        self._check(tenant_id)
        mine = and_(_backfill.tenant_id == tenant_id, _backfill.state == BackfillState.ACTIVE)
        counted = select(func.count()).select_from(backfill).where(mine)
        return int(self._connection.execute(counted).scalar_one())

    def queued_most(self, tenant_id: str) -> int:
        """Most queued runs of a tenant; 0 for the default."""
        return self._quotas(self._transaction, {tenant_id}, "queued_runs").get(tenant_id, 0)

    def open(self, limit: int) -> list[OpenBackfill]:
        """Reads backfills of all tenants that create runs and have room for some."""
        check_tenants(self._transaction.tenants, EVERY_TENANT)
        rows = self._connection.execute(
            select(backfill)
            .where(_backfill.state == BackfillState.ACTIVE)
            .order_by(_backfill.tenant_id, _backfill.created_us)
        ).all()
        found: list[OpenBackfill] = []
        for row in rows:
            item = _to_backfill(row)
            active = self.active(row.tenant_id, row.workspace_id, {row.backfill_id})
            count = active.get(row.backfill_id, 0)
            if count < item.max_active and len(found) < limit:
                found.append(self._open(row.tenant_id, item, count))
        return found

    def _open(self, tenant_id: str, item: Backfill, active: int) -> OpenBackfill:
        resources = self.control.resources(tenant_id)
        return OpenBackfill(
            tenant_id=tenant_id,
            backfill=item,
            schedule=resources.schedules.get(item.schedule),
            deployment=resources.deployments.get(item.deployment),
            active=active,
        )

    def add(self, tenant_id: str, made: Backfill) -> bool:
        """Makes a backfill; False when its id is taken."""
        self._check(tenant_id)
        self._transaction.topics.add(SCHEDULES)
        return insert_new(
            self._connection,
            backfill,
            tenant_id=tenant_id,
            **made.name._asdict(),
            flow_id=made.schedule.flow_id,
            deployment_id=made.schedule.deployment_id,
            schedule_id=made.schedule.schedule_id,
            start_us=made.start_us,
            end_us=made.end_us,
            max_active=made.max_active,
            parameters=made.parameters or None,
            total=made.total,
            creator=made.creator,
            created_us=made.created_us,
            **_changing(made),
        )

    def change(self, tenant_id: str, now: Backfill) -> None:
        """Replaces a backfill, which the transaction has locked."""
        self._check(tenant_id)
        key = BackfillKey(tenant_id, now.name)
        self._connection.execute(update(backfill).where(*_named(key)).values(**_changing(now)))

    def waiting(self, key: BackfillKey) -> list[str]:
        """Ids of the runs of a backfill that wait for a worker."""
        self._check(key.tenant_id)
        found = (
            select(_origin.run_id)
            .join(queued, _OF_ENTRY)
            .where(
                _origin.tenant_id == key.tenant_id,
                _origin.workspace_id == key.name.workspace_id,
                _origin.backfill_id == key.name.backfill_id,
            )
        )
        return list(self._connection.execute(found).scalars())

    def _check(self, tenant_id: str) -> None:
        check_tenants(self._transaction.tenants, (tenant_id,))


class SqlBackfillStore:
    """A store over backfills and runs."""

    def __init__(self, database: Database, runs: RunStore, quotas: Quotas) -> None:
        """Takes its parts.

        Args:
            database: The database, which must be open before the first call.
            runs: Its store of runs.
            quotas: Reads the quotas of tenants.
        """
        self._database = database
        self._runs = runs
        self._quotas = quotas

    def _on(self, transaction: SqlTransaction) -> SqlBackfills:
        return SqlBackfills(transaction, self._runs, self._quotas)

    async def write(
        self, tenants: Collection[str], work: Callable[[SqlBackfills], Result]
    ) -> Result:
        """Runs work in one transaction, and returns its result after the commit."""
        return await self._database.write(
            lambda transaction: work(self._on(transaction)),
            tenants=tenants,
            name=BACKFILL,
        )

    async def read(
        self, tenants: Collection[str], work: Callable[[SqlBackfills], Result]
    ) -> Result:
        """Runs reads that see one state of the database."""
        return await self._database.read(
            lambda transaction: work(self._on(transaction)), tenants=tenants
        )


def _named(key: BackfillKey) -> tuple[Any, ...]:
    return (
        _backfill.tenant_id == key.tenant_id,
        _backfill.workspace_id == key.name.workspace_id,
        _backfill.backfill_id == key.name.backfill_id,
    )


def _changing(item: Backfill) -> dict[str, Any]:
    return {
        "created": item.created,
        "next_us": item.next_us,
        "state": int(item.state),
        "ended_us": item.ended_us,
    }


def _to_backfill(row: Any) -> Backfill:
    return Backfill(
        name=BackfillName(row.workspace_id, row.backfill_id),
        schedule=ScheduleName(row.workspace_id, row.flow_id, row.deployment_id, row.schedule_id),
        start_us=row.start_us,
        end_us=row.end_us,
        max_active=row.max_active,
        parameters=row.parameters or "",
        total=row.total,
        created=row.created,
        next_us=row.next_us,
        state=BackfillState(row.state),
        creator=row.creator,
        created_us=row.created_us,
        ended_us=row.ended_us,
    )
