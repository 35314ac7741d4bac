"""Reads the runs below a run with only the columns that a timeline needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, case, select

from towpath_service.runs.domain.runs import StateChange, TimelineRun
from towpath_service.runs.domain.states import RunKind, RunState
from towpath_service.runs.storage import tables
from towpath_service.runs.storage.graph import BY_ID
from towpath_service.runs.storage.one_tenant import of_one_tenant
from towpath_service.runs.storage.rows import chunks, in_scope_by_run
from towpath_service.runs.storage.tenant_reads import TenantReads

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from towpath_service.core.names import Scope

_run = tables.run.c
_transition = tables.transition.c
_KINDS: Final = {int(kind): kind for kind in RunKind}
_STATES: Final = {int(state): state for state in RunState}
_RUNS: Final = select(
    _run.run_id,
    _run.parent_run_id,
    _run.kind,
    _run.display_name,
    case((_run.kind == int(RunKind.FLOW), _run.flow_name), else_=_run.task_name),
    _run.state,
    _run.revision,
    _run.attempt,
    # A run without a server is recorded late.
    case((_run.occurred_us < _run.created_us, _run.occurred_us), else_=_run.created_us),
    _run.started_us,
    _run.ended_us,
    tables.run_detail.c.dependencies,
).outerjoin(
    tables.run_detail,
    and_(
        tables.run_detail.c.tenant_id == _run.tenant_id,
        tables.run_detail.c.run_id == _run.run_id,
    ),
)


@of_one_tenant
class SqlTimelineReads(TenantReads):
    """The timelines of one tenant's runs."""

    def timeline(self, scope: Scope, run_id: str, limit: int) -> list[TimelineRun]:
        """Reads the descendants of a run, parents before children, at most `limit` + 1."""
        found: list[TimelineRun] = []
        level = [run_id]
        while level and len(found) <= limit:
            below: list[TimelineRun] = []
            for chunk in chunks(level):
                room = limit + 1 - len(found) - len(below)
                if room > 0:
                    below += self._children(scope, chunk, room)
            found += below
            # Task runs rarely have children, but they can.
            level = [run.run_id for run in below]
        return found

    def state_changes(self, scope: Scope, run_ids: Collection[str]) -> list[StateChange]:
        """Reads the changes of state of runs, those of one run together and in order."""
        statement = select(_transition.run_id, _transition.to_state, _transition.occurred_us).where(
            in_scope_by_run(_transition, scope)
        )
        return [
            StateChange(changed, _STATES[state], occurred_us)
            for chunk in chunks(run_ids)
            for changed, state, occurred_us in self._connection.execute(
                statement.where(_transition.run_id.in_(chunk)).order_by(
                    _transition.run_id, _transition.revision
                )
            )
        ]

    def _children(self, scope: Scope, parents: Sequence[str], limit: int) -> list[TimelineRun]:
        statement = (
            _RUNS.where(in_scope_by_run(_run, scope), _run.parent_run_id.in_(parents))
            .order_by(BY_ID)
            .limit(limit)
        )
        runs: list[TimelineRun] = []
        for row in self._connection.execute(statement):
            columns: tuple[Any, ...] = tuple(row)
            run_id, parent, kind, name, group, state = columns[:6]
            kinds = (_KINDS[kind], name, group, _STATES[state])
            runs.append(TimelineRun(run_id, parent, *kinds, *columns[6:]))
        return runs
