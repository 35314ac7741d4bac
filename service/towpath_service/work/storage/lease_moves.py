"""Moves leases with their runs, within the transaction that changes the runs.

Given to the store of runs, which knows no leases. A transaction without a dispatched run pays
nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, tuple_, update

from towpath_service.core.tenancy import check_tenants
from towpath_service.database.port import sql_of
from towpath_service.runs.storage.rows import chunks
from towpath_service.work.storage.tables import run_directive, work_lease

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath_service.core.transactions import LeasedMove, Transaction

_STARTED: Final = 3
_ENDING: Final = 4


def move_leases(transaction: Transaction, moves: Sequence[LeasedMove], now_us: int) -> None:
    """Ends the leases of runs that have ended, and marks those of runs that execute.

    The lease of an ended run takes up no slot any more. Its row stays until the worker has proved
    that the process is gone.
    """
    connection = sql_of(transaction).connection
    lease = work_lease.c
    for tenant_id in sorted({move.tenant_id for move in moves}):
        check_tenants(transaction.tenants, (tenant_id,))
        mine = sorted(move for move in moves if move.tenant_id == tenant_id)
        ended = [(move.run_id, move.fence) for move in mine if move.ended]
        started = [(move.run_id, move.fence) for move in mine if not move.ended]
        for chunk in chunks(ended):
            connection.execute(
                update(work_lease)
                .where(_of(lease, tenant_id, chunk), lease.phase != _ENDING)
                .values(phase=_ENDING, counts=False, phase_us=now_us)
            )
            connection.execute(
                delete(run_directive).where(
                    run_directive.c.tenant_id == tenant_id,
                    run_directive.c.run_id.in_([run_id for run_id, _ in chunk]),
                )
            )
        for chunk in chunks(started):
            connection.execute(
                update(work_lease)
                .where(_of(lease, tenant_id, chunk), lease.phase < _STARTED)
                .values(phase=_STARTED, phase_us=now_us)
            )


def _of(columns: Any, tenant_id: str, leases: Sequence[tuple[str, int]]) -> Any:
    """The condition that a row is one of the leases: of the run, under the fence."""
    return (columns.tenant_id == tenant_id) & tuple_(columns.run_id, columns.fence).in_(leases)
