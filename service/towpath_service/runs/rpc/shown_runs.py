"""Runs as messages, with what runs of deployments were created from; used by the run handlers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath_service.runs.domain.states import RunKind
from towpath_service.runs.rpc.convert_runs import to_run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from towpath.api.v1 import run_pb2

    from towpath_service.core.names import Scope
    from towpath_service.runs.domain.runs import Run, RunDetail
    from towpath_service.runs.ports.origins import RunOrigin, RunOrigins


class ShownRuns:
    """Converts runs into messages."""

    def __init__(self, origins: RunOrigins) -> None:
        self._origins = origins

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
        return [to_run(run, details.get(run.run_id), origins.get(run.run_id)) for run in runs]


def _is_of_deployment(run: Run) -> bool:
    """Whether a run may have an origin: it was dispatched, or no producer has reported it."""
    return run.kind is RunKind.FLOW and (run.fence > 0 or run.producer_id is None)
