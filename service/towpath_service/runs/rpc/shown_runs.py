"""Runs as messages, with what runs of deployments were created from; used by the run handlers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from towpath_service.runs.domain.states import RunKind, RunState
from towpath_service.runs.rpc.convert_pauses import to_pause
from towpath_service.runs.rpc.convert_runs import to_run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from towpath.api.v1 import run_pb2

    from towpath_service.core.names import Scope
    from towpath_service.runs.domain.runs import Run, RunDetail
    from towpath_service.runs.ports.origins import RunOrigin, RunOrigins
    from towpath_service.runs.ports.pauses import RunPauses


_PAUSED: Final = int(RunState.PAUSED)


class ShownRuns:
    """Converts runs into messages."""

    def __init__(self, origins: RunOrigins, pauses: RunPauses | None = None) -> None:
        """Takes the sources of what is known of runs beside themselves."""
        self._origins = origins
        self._pauses = pauses

    async def of(
        self, scope: Scope, runs: Sequence[Run], details: Mapping[str, RunDetail]
    ) -> list[run_pb2.Run]:
        """Converts runs of a workspace; only those of deployments cost a further read.

        Args:
            scope: Their workspace.
            runs: The runs.
            details: Details by run id, for RUN_VIEW_FULL.
        """
        created = [run.run_id for run in runs if _is_of_deployment(run)]
        origins: Mapping[str, RunOrigin] = {}
        if created:
            origins = await self._origins(scope, created)
        shown = [to_run(run, details.get(run.run_id), origins.get(run.run_id)) for run in runs]
        await self._add_pauses(scope, shown, details)
        return shown

    async def _add_pauses(
        self, scope: Scope, shown: Sequence[run_pb2.Run], details: Mapping[str, RunDetail]
    ) -> None:
        """Adds the pauses of paused runs, for RUN_VIEW_FULL."""
        paused = [run for run in shown if run.state == _PAUSED and run.run_id in details]
        if not paused or self._pauses is None:
            return
        pauses = await self._pauses(scope, [run.run_id for run in paused])
        for run in paused:
            if run.run_id in pauses:
                run.pause.CopyFrom(to_pause(pauses[run.run_id]))


def _is_of_deployment(run: Run) -> bool:
    """Whether a run may have an origin: it was dispatched, or no producer has reported it."""
    return run.kind is RunKind.FLOW and (run.fence > 0 or run.producer_id is None)
