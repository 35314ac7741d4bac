"""Counts held slots and waiting callers over all tenants, on SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, case, distinct, func, select

from towpath_service.core.tenancy import EVERY_TENANT
from towpath_service.limits.ports.figures import LimitFigures
from towpath_service.limits.storage.tables import concurrency_limit, limit_hold

if TYPE_CHECKING:
    from towpath_service.database.port import Database, SqlTransaction

_hold: Final[Any] = limit_hold.c
_limit: Final[Any] = concurrency_limit.c

# The records of reservations of limits on the rate hold nothing.
_COUNTS: Final = select(
    func.coalesce(func.sum(case((_hold.waiting, 0), else_=_hold.slots)), 0),
    func.count(distinct(case((_hold.waiting, _hold.acquisition_id)))),
).join_from(
    limit_hold,
    concurrency_limit,
    and_(
        *(_limit[name] == _hold[name] for name in ("tenant_id", "workspace_id", "limit_id")),
        _limit.refill_nano == 0,
    ),
)


class SqlLimitFigures:
    """Reads the numbers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self) -> LimitFigures:
        """The numbers over all tenants, from one state of the database."""
        return await self._database.read(_read, tenants=EVERY_TENANT)


def _read(transaction: SqlTransaction) -> LimitFigures:
    held, waiting = transaction.connection.execute(_COUNTS).one()
    return LimitFigures(held=int(held), waiting=waiting)
