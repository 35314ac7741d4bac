"""Reads directives for the producers of their runs, and forgets those that were followed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import and_, delete, exists, or_, select

from towpath_service.core.tenancy import EVERY_TENANT
from towpath_service.runs.domain.states import RunState
from towpath_service.runs.ports.directives import Directive
from towpath_service.runs.ports.ingest import ProducerKey
from towpath_service.runs.storage.tables import run
from towpath_service.work.ports.control import CANCEL, PAUSABLE, PAUSE
from towpath_service.work.storage.tables import run_directive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath_service.database.port import Database, SqlTransaction

# A pause that is over removes its request itself.
_OPEN: Final = or_(
    and_(run_directive.c.kind == CANCEL, run.c.state == RunState.CANCELLING),
    and_(run_directive.c.kind == PAUSE, run.c.state.in_(sorted(PAUSABLE))),
)


class SqlDirectives:
    """Reads the directives of all tenants."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self) -> Sequence[Directive]:
        """The directives that no report has answered yet, for the producers of their runs."""
        return await self._database.read(_read, tenants=EVERY_TENANT)

    async def forget_followed(self) -> None:
        """Removes the directives of runs that have ended."""
        await self._database.write(_forget, name="directives")


def _read(transaction: SqlTransaction) -> list[Directive]:
    asked, columns = run_directive.c, run.c
    of_run = and_(columns.tenant_id == asked.tenant_id, columns.run_id == asked.run_id)
    rows = transaction.connection.execute(
        select(run_directive, columns.producer_id)
        .join(run, of_run)
        .where(_OPEN, columns.producer_id.is_not(None))
    )
    return [
        Directive(
            producer=ProducerKey(row.tenant_id, row.workspace_id, row.producer_id),
            run_id=row.run_id,
            kind=row.kind,
            revision=row.revision,
            message=row.message,
            grace_us=row.grace_us,
        )
        for row in rows
    ]


def _forget(transaction: SqlTransaction) -> None:
    asked, columns = run_directive.c, run.c
    of_run = and_(columns.tenant_id == asked.tenant_id, columns.run_id == asked.run_id)
    wanted = or_(_OPEN, and_(asked.kind == PAUSE, columns.state == RunState.PAUSED))
    transaction.connection.execute(delete(run_directive).where(~exists().where(of_run, wanted)))
