"""A gauge of unfinished flow runs, read from the database.

A counter of begins and ends would be wrong after every restart. Every replica reports the same
number, so aggregate it over replicas by maximum, not by sum.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from opentelemetry.metrics import CallbackOptions, Observation
from towpath_auth import LOCAL_TENANT_ID, LOCAL_WORKSPACE_ID

from towpath_service.core.errors import ServiceError
from towpath_service.core.names import Scope
from towpath_service.runs.domain.states import RunState

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from opentelemetry.metrics import Meter

    from towpath_service.runs.ports.reads import ReadStore

PAUSE_SECONDS: Final = 10.0
MOST_FLOWS: Final = 1000
_PHASES: Final = {
    RunState.SCHEDULED: "pending",
    RunState.PENDING: "pending",
    RunState.RUNNING: "executing",
    RunState.PAUSED: "executing",
    RunState.RETRYING: "executing",
    RunState.CANCELLING: "finalizing",
}

_log = logging.getLogger(__name__)


class ActiveRuns:
    """Counts unfinished flow runs every few seconds."""

    def __init__(self, meter: Meter) -> None:
        """Registers the gauge; `counting` starts the reads."""
        self._counts: Counter[tuple[str, str]] = Counter()
        meter.create_observable_up_down_counter(
            "cicd.pipeline.run.active", [self._told], "{run}", "Flow runs that haven't ended."
        )

    @contextmanager
    def counting(self, store: ReadStore) -> Generator[None]:
        """Counts periodically while the context is open; the store must be open."""
        looking = asyncio.create_task(self._look(store), name="towpath-active-runs")
        try:
            yield
        finally:
            looking.cancel()

    async def _look(self, store: ReadStore) -> None:
        scope = Scope(LOCAL_TENANT_ID, LOCAL_WORKSPACE_ID)
        while True:
            try:
                flows = await store.read(
                    scope.tenant_id, lambda reads: reads.flows(scope, "", MOST_FLOWS)
                )
            except ServiceError as error:
                _log.debug("active runs can't be counted: %s", error)
            else:
                counts = Counter(dict.fromkeys(self._counts, 0))
                for flow in flows:
                    for state, phase in _PHASES.items():
                        counts[flow.flow_id, phase] += flow.run_counts.get(state, 0)
                self._counts = counts
            await asyncio.sleep(PAUSE_SECONDS)

    def _told(self, _: CallbackOptions) -> Iterable[Observation]:
        for (flow_id, phase), count in list(self._counts.items()):
            yield Observation(
                count, {"cicd.pipeline.name": flow_id, "cicd.pipeline.run.state": phase}
            )
