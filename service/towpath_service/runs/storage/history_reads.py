"""Reads the history of runs: transitions, and decisions on updates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    literal,
    select,
    union_all,
)

from towpath_service.runs.domain.runs import (
    Decision,
    Transition,
)
from towpath_service.runs.domain.states import Source
from towpath_service.runs.storage import tables
from towpath_service.runs.storage.one_tenant import of_one_tenant
from towpath_service.runs.storage.rows import in_scope, in_scope_by_run
from towpath_service.runs.storage.tenant_reads import TenantReads
from towpath_service.runs.storage.trees import of_tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import RowMapping

    from towpath_service.core.names import Scope
    from towpath_service.runs.ports.reads import RunTree


_transition = tables.transition.c
_TRANSITION_COLUMNS: Final = [
    column for column in tables.transition.c if column.name != "tenant_id"
]


@of_one_tenant
class SqlHistoryReads(TenantReads):
    """The history of one tenant's runs."""

    def transitions(self, scope: Scope, run_id: str, after: int, limit: int) -> list[Transition]:
        """Reads a run's history above a revision."""
        statement = (
            select(*_TRANSITION_COLUMNS)
            .where(in_scope_by_run(_transition, scope), _transition.run_id == run_id)
            .where(_transition.revision > after)
            .order_by(_transition.revision)
            .limit(limit)
        )
        return [Transition(**row) for row in self._rows(statement)]

    def transitions_after(
        self, scope: Scope, after: int, limit: int, *, tree: RunTree | None, states: Sequence[int]
    ) -> list[Transition]:
        """Reads a workspace's transitions above a position, in commit order."""
        statement = select(*_TRANSITION_COLUMNS).where(
            in_scope(_transition, scope), _transition.position > after
        )
        if tree is not None:
            statement = statement.where(of_tree(_transition.run_id, scope, tree))
        if states:
            statement = statement.where(_transition.to_state.in_(states))
        rows = self._rows(statement.order_by(_transition.position).limit(limit))
        return [Transition(**row) for row in rows]

    def decisions(self, scope: Scope, run_id: str, after: int, limit: int) -> list[Decision]:
        """Reads decisions on a run's updates, after the first `after` of them."""
        refusal = tables.refusal.c
        accepted = select(
            literal(1).label("accepted"),
            _transition.rule,
            _transition.reason,
            _transition.message,
            _transition.from_state,
            _transition.to_state,
            _transition.attempt,
            _transition.revision,
            _transition.occurred_us,
            _transition.recorded_us,
            _transition.source,
            _transition.producer_id,
            _transition.producer_sequence,
        ).where(in_scope_by_run(_transition, scope), _transition.run_id == run_id)
        refused = select(
            literal(0),
            refusal.rule,
            refusal.reason,
            refusal.message,
            refusal.current_state,
            refusal.requested_state,
            refusal.attempt,
            literal(0),
            refusal.occurred_us,
            refusal.recorded_us,
            literal(int(Source.PRODUCER)),
            refusal.producer_id,
            refusal.sequence,
        ).where(in_scope_by_run(refusal, scope), refusal.run_id == run_id)
        both = union_all(accepted, refused).subquery()
        statement = (
            select(both)
            .order_by(both.c.recorded_us, both.c.producer_sequence, both.c.revision)
            .offset(after)
            .limit(limit)
        )
        return [_to_decision(row) for row in self._rows(statement)]


def _to_decision(row: RowMapping) -> Decision:
    values: dict[str, Any] = {**row}
    values["accepted"] = bool(values["accepted"])
    return Decision(**values)
