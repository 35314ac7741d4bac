"""Reads directives for the producers of their runs, and forgets those that were followed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, delete, exists, select

from towpath_service.core.tenancy import EVERY_TENANT
from towpath_service.runs.domain.states import RunState
from towpath_service.runs.ports.directives import Directive
from towpath_service.runs.ports.ingest import ProducerKey
from towpath_service.runs.storage.tables import run
from towpath_service.work.storage.tables import run_directive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath_service.database.port import Database, SqlTransaction


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
        .where(columns.state == RunState.CANCELLING, columns.producer_id.is_not(None))
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
    cancelling = exists().where(
        columns.tenant_id == asked.tenant_id,
        columns.run_id == asked.run_id,
        columns.state == RunState.CANCELLING,
    )
    transaction.connection.execute(delete(run_directive).where(~cancelling))
