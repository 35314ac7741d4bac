"""The unfinished runs of a schedule, on SQL.

They are found among the runs that wait, are leased or are paused: the runs of a schedule that have
ended may be many, and these are few.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import and_, bindparam, null, select, union

from towpath_service.runs.domain.states import TERMINAL_STATES, RunState
from towpath_service.runs.storage.tables import run
from towpath_service.work.domain.dispatching import schedule_of
from towpath_service.work.ports.scheduling import UnfinishedRun
from towpath_service.work.storage.tables import queued, run_origin, work_lease

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from towpath_service.work.domain.dispatching import LimitKey

_HERE: Final = ("tenant_id", "workspace_id", "flow_id", "deployment_id")


_WAITING: Final = (
    select(queued.c.run_id, queued.c.parked_by)
    .join(run, and_(run.c.tenant_id == queued.c.tenant_id, run.c.run_id == queued.c.run_id))
    .where(
        *(queued.c[name] == bindparam(name) for name in _HERE),
        queued.c.schedule_id == bindparam("schedule_id"),
        run.c.state.not_in(sorted(TERMINAL_STATES)),
    )
)
_LEASED: Final = (
    select(work_lease.c.run_id, queued.c.parked_by)
    .join(
        run_origin,
        and_(
            run_origin.c.tenant_id == work_lease.c.tenant_id,
            run_origin.c.run_id == work_lease.c.run_id,
        ),
    )
    .join(
        run,
        and_(run.c.tenant_id == work_lease.c.tenant_id, run.c.run_id == work_lease.c.run_id),
    )
    .outerjoin(
        queued,
        and_(queued.c.tenant_id == work_lease.c.tenant_id, queued.c.run_id == work_lease.c.run_id),
    )
    .where(
        *(work_lease.c[name] == bindparam(name) for name in _HERE),
        run_origin.c.schedule_id == bindparam("schedule_id"),
        run.c.state.not_in(sorted(TERMINAL_STATES)),
    )
)
_PAUSED: Final = (
    select(run.c.run_id, null())
    .join(
        run_origin,
        and_(run_origin.c.tenant_id == run.c.tenant_id, run_origin.c.run_id == run.c.run_id),
    )
    .where(
        run.c.tenant_id == bindparam("tenant_id"),
        run.c.workspace_id == bindparam("workspace_id"),
        run.c.state == RunState.PAUSED,
        run_origin.c.flow_id == bindparam("flow_id"),
        run_origin.c.deployment_id == bindparam("deployment_id"),
        run_origin.c.schedule_id == bindparam("schedule_id"),
    )
)
_UNFINISHED: Final = union(_WAITING, _LEASED, _PAUSED)


def unfinished_of(connection: Connection, limit: LimitKey) -> list[UnfinishedRun]:
    """The unfinished runs of a schedule.

    Args:
        connection: The connection.
        limit: What runs of the schedule are parked by.
    """
    name = schedule_of(limit)
    assert name is not None, limit
    rows = connection.execute(_UNFINISHED, {"tenant_id": limit.tenant_id, **name._asdict()})
    return [UnfinishedRun(run_id, parked_by == limit.name) for run_id, parked_by in rows]
