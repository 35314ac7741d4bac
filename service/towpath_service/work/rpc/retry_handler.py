"""The handler of the rpc of RunService that retries runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from towpath.api.v1 import run_service_pb2 as pb

from towpath_service.core.tenant_limits import limit_of
from towpath_service.runs.rpc.scopes import run_scope
from towpath_service.work.application.retrying import RetryRequest

if TYPE_CHECKING:
    from towpath_auth import Caller

    from towpath_service.runs.application.queries import Queries
    from towpath_service.runs.rpc.shown_runs import ShownRuns
    from towpath_service.work.application.retrying import Retrying


class RetryHandler:
    """Retries runs."""

    service: ClassVar[str] = "towpath.api.v1.RunService"

    def __init__(self, retrying: Retrying, queries: Queries, shown: ShownRuns) -> None:
        self._retrying = retrying
        self._queries = queries
        self._shown = shown

    async def retry_run(self, request: pb.RetryRunRequest, caller: Caller) -> pb.RetryRunResponse:
        """Begins another attempt of a run that has ended."""
        scope, run_id = run_scope(caller, request.name, "name")
        await self._retrying.retry(
            RetryRequest(
                scope=scope,
                run_id=run_id,
                actor=caller.principal,
                most_queued=limit_of(caller, "queued_runs"),
                message=request.message,
                from_tasks=tuple(request.from_tasks),
                attempt=request.attempt,
                in_place=request.in_place,
                within="" if caller.run is None else caller.run.run_id,
            )
        )
        run, detail = await self._queries.run(scope, run_id)
        [shown] = await self._shown.of(scope, [run], {run_id: detail})
        return pb.RetryRunResponse(run=shown)
