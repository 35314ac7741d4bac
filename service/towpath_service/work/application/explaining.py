"""Explains the states of runs: ExplainRun."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from towpath_service.core.errors import not_found
from towpath_service.core.names import run_name
from towpath_service.work.domain.explaining import explain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath_service.core.clock import Clock
    from towpath_service.core.names import Scope
    from towpath_service.runs.domain.states import RunState
    from towpath_service.work.domain.explanations import Reason
    from towpath_service.work.ports.explaining import FactsSource


class Explanation(NamedTuple):
    """The state of a run, with its reasons."""

    state: RunState
    state_us: int
    """When the state was entered, microseconds since the Unix epoch."""
    reasons: Sequence[Reason]


class Explaining:
    """Explains the states of runs."""

    def __init__(self, facts: FactsSource, clock: Clock) -> None:
        self._facts = facts
        self._clock = clock

    async def explain(self, scope: Scope, run_id: str) -> Explanation:
        """The state of a run with its reasons; RESOURCE_NOT_FOUND when there is no such run."""
        found = await self._facts(scope, run_id, self._clock.now_us())
        if found is None:
            raise not_found(run_name(scope.workspace_id, run_id))
        facts, state_us = found
        return Explanation(state=facts.state, state_us=state_us, reasons=explain(facts))
