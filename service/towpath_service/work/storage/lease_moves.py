"""Moves leases with their runs, within the transaction that changes the runs.

Given to the store of runs, which knows no leases. A transaction without a dispatched run pays
nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete

from towpath_service.core.tenancy import check_tenants
from towpath_service.database.port import sql_of
from towpath_service.runs.ports.ingest import RunKey
from towpath_service.work.domain.leases import Lease, Phase, freed_by
from towpath_service.work.storage.keys import of_runs, run_portions
from towpath_service.work.storage.lease_rows import SqlLeaseRows
from towpath_service.work.storage.queueing import SqlQueueRows
from towpath_service.work.storage.tables import run_directive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath_service.core.transactions import LeasedMove, Transaction

_FORGET: Final = delete(run_directive).where(of_runs(run_directive.c))


def move_leases(transaction: Transaction, moves: Sequence[LeasedMove], now_us: int) -> None:
    """Ends the leases of runs that have ended, and marks those of runs that execute.

    The lease of an ended run takes up no slot any more, and runs that wait for one are ready again;
    so is the next run of a schedule whose runs don't overlap. The row of the lease stays until the
    worker has proved that the process is gone.
    """
    sql = sql_of(transaction)
    check_tenants(sql.tenants, (move.tenant_id for move in moves))
    rows = SqlLeaseRows(sql)
    leases = rows.lock({RunKey(move.tenant_id, move.run_id) for move in moves})
    moved: list[Lease] = []
    freed: list[Lease] = []
    for move in moves:
        lease = leases.get(RunKey(move.tenant_id, move.run_id))
        if lease is None or lease.fence != move.fence:
            continue
        phase = Phase.ENDING if move.ended else max(lease.phase, Phase.RUNNING)
        if phase is lease.phase:
            continue
        if move.ended:
            freed.append(lease)
        counts = lease.counts and not move.ended
        moved.append(replace(lease, phase=phase, phase_us=now_us, counts=counts))
    rows.update(moved)
    queue = SqlQueueRows(sql)
    queue.unpark(freed_by(freed), now_us)
    queue.release_after([RunKey(m.tenant_id, m.run_id) for m in moves if m.ended])
    for portion in run_portions({RunKey(m.tenant_id, m.run_id) for m in moves if m.ended}):
        sql.connection.execute(_FORGET, portion)
