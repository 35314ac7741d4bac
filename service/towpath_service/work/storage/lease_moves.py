"""Moves leases with their runs, within the transaction that changes the runs.

Given to the store of runs, which knows no leases. A transaction without a dispatched run pays
nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, delete, tuple_, update

from towpath_service.core.tenancy import check_tenants
from towpath_service.database.port import sql_of
from towpath_service.runs.ports.ingest import RunKey
from towpath_service.runs.storage.rows import chunks
from towpath_service.work.application.settling import release
from towpath_service.work.domain.leases import Phase
from towpath_service.work.storage.keys import of_runs, run_portions
from towpath_service.work.storage.lease_rows import SqlLeaseRows
from towpath_service.work.storage.queueing import SqlQueueRows
from towpath_service.work.storage.tables import run_directive, work_lease

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath_service.core.transactions import LeasedMove, Transaction
    from towpath_service.database.port import SqlTransaction

_lease: Final = work_lease.c
_STARTED: Final = (
    update(work_lease)
    .where(
        _lease.tenant_id == bindparam("tenant"),
        tuple_(_lease.run_id, _lease.fence).in_(bindparam("leases", expanding=True)),
        _lease.phase < Phase.RUNNING,
    )
    .values(phase=int(Phase.RUNNING), phase_us=bindparam("now"))
)
_FOLLOWED: Final = delete(run_directive).where(of_runs(run_directive.c))


class _Slots:
    """The rows that a lease gives its slots back to."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self.queue = SqlQueueRows(transaction)
        self.leases = SqlLeaseRows(transaction)


def move_leases(transaction: Transaction, moves: Sequence[LeasedMove], now_us: int) -> None:
    """Ends the leases of runs that have ended, and marks those of runs that execute.

    The lease of an ended run takes up no slot any more. Its row stays until the worker has proved
    that the process is gone. What the run was asked to do is forgotten.
    """
    check_tenants(transaction.tenants, (move.tenant_id for move in moves))
    sql = sql_of(transaction)
    ended = {RunKey(move.tenant_id, move.run_id) for move in moves if move.ended}
    if ended:
        release(_Slots(sql), ended, now_us)
        for portion in run_portions(ended):
            sql.connection.execute(_FOLLOWED, portion)
    started = [move for move in moves if not move.ended]
    for tenant_id in sorted({move.tenant_id for move in started}):
        leases = sorted((m.run_id, m.fence) for m in started if m.tenant_id == tenant_id)
        for chunk in chunks(leases):
            named = {"tenant": tenant_id, "leases": chunk, "now": now_us}
            sql.connection.execute(_STARTED, named)
