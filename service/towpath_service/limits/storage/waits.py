"""Reads the slots that a run waits for, within another subject's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from towpath_service.core.transactions import SlotHolder, SlotWait
from towpath_service.database.port import sql_of
from towpath_service.limits.domain.names import LimitKey
from towpath_service.limits.storage.hold_rows import SqlHoldRows
from towpath_service.limits.storage.limit_rows import SqlLimitRows
from towpath_service.limits.storage.tables import limit_hold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath_service.core.names import Scope
    from towpath_service.core.transactions import Transaction

MOST_HOLDERS: Final = 20
_hold: Final[Any] = limit_hold.c


def slot_waits(transaction: Transaction, scope: Scope, run_id: str) -> Sequence[SlotWait]:
    """The limits that a run waits for, with those that hold their slots."""
    connection = sql_of(transaction).connection
    asked = (
        select(_hold.limit_id, _hold.since_us)
        .where(
            _hold.tenant_id == scope.tenant_id,
            _hold.run_id == run_id,
            _hold.workspace_id == scope.workspace_id,
            _hold.waiting,
        )
        .order_by(_hold.since_us, _hold.limit_id)
    )
    since: dict[LimitKey, int] = {}
    for row in connection.execute(asked):
        since.setdefault(LimitKey(*scope, row.limit_id), row.since_us)
    if not since:
        return ()
    limits = SqlLimitRows(sql_of(transaction)).find(since)
    holds = SqlHoldRows(sql_of(transaction))
    uses = holds.uses(since)
    return [
        SlotWait(
            limit_id=key.limit_id,
            since_us=since[key],
            held=uses[key].held if key in uses else 0,
            slots=limit.settings.slots,
            holders=[
                SlotHolder(hold.acquisition.acquisition_id, hold.run_id or "", hold.holder)
                for hold in holds.holders(key, None, MOST_HOLDERS)
                if not hold.waiting
            ],
        )
        for key, limit in limits.items()
    ]
