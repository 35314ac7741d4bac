"""The handler of the rpcs of RunService that create, cancel and explain runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from towpath.api.v1 import run_service_pb2 as pb

from towpath_service.core.errors import invalid
from towpath_service.rpc.times import set_time, span_us, to_us
from towpath_service.runs.rpc.scopes import run_scope, workspace_scope
from towpath_service.work.application.cancelling import CancelRequest
from towpath_service.work.application.creating import NewRunRequest
from towpath_service.work.domain.names import parse_deployment
from towpath_service.work.rpc.convert_explanations import to_explanation

if TYPE_CHECKING:
    from towpath.api.v1 import run_pb2
    from towpath_auth import Caller

    from towpath_service.core.names import Scope
    from towpath_service.runs.application.queries import Queries
    from towpath_service.runs.rpc.shown_runs import ShownRuns
    from towpath_service.work.application.cancelling import Cancelling
    from towpath_service.work.application.creating import Creating
    from towpath_service.work.application.explaining import Explaining


class RunControlHandler:
    """Creates, cancels and explains runs."""

    service: ClassVar[str] = "towpath.api.v1.RunService"

    def __init__(
        self,
        creating: Creating,
        cancelling: Cancelling,
        explaining: Explaining,
        queries: Queries,
        shown: ShownRuns,
    ) -> None:
        self._creating = creating
        self._cancelling = cancelling
        self._explaining = explaining
        self._queries = queries
        self._shown = shown

    async def create_run(
        self, request: pb.CreateRunRequest, caller: Caller
    ) -> pb.CreateRunResponse:
        """Creates a run of a deployment."""
        scope = workspace_scope(caller, request.parent)
        made = await self._creating.create(caller, _new_run(request, scope))
        run = await self._run(scope, made.run_id)
        return pb.CreateRunResponse(run=run, existing=made.existing)

    async def cancel_run(
        self, request: pb.CancelRunRequest, caller: Caller
    ) -> pb.CancelRunResponse:
        """Asks a run to end, with the flow runs below it."""
        scope, run_id = run_scope(caller, request.name, "name")
        below = await self._cancelling.cancel(
            CancelRequest(
                scope=scope,
                run_id=run_id,
                actor=caller.principal,
                message=request.message,
                grace_us=span_us(request.grace_period, "grace_period")
                if request.HasField("grace_period")
                else None,
                within="" if caller.run is None else caller.run.run_id,
            )
        )
        return pb.CancelRunResponse(run=await self._run(scope, run_id), descendant_count=below)

    async def explain_run(
        self, request: pb.ExplainRunRequest, caller: Caller
    ) -> pb.ExplainRunResponse:
        """Explains what a run waits for, or why it is in its state."""
        scope, run_id = run_scope(caller, request.name, "name")
        found = await self._explaining.explain(scope, run_id)
        state: Any = int(found.state)
        answer = pb.ExplainRunResponse(state=state, explanations=map(to_explanation, found.reasons))
        set_time(answer.state_time, found.state_us)
        return answer

    async def _run(self, scope: Scope, run_id: str) -> run_pb2.Run:
        run, detail = await self._queries.run(scope, run_id)
        [shown] = await self._shown.of(scope, [run], {run_id: detail})
        return shown


def _new_run(request: pb.CreateRunRequest, scope: Scope) -> NewRunRequest:
    deployment = parse_deployment(request.deployment, "deployment")
    if deployment.workspace_id != scope.workspace_id:
        raise invalid("deployment", "must be of the workspace that `parent` names")
    parameters = request.parameters
    if parameters.uri or parameters.content_type not in {"", "application/json"}:
        raise invalid("parameters", "must be a JSON object, given as `data`")
    try:
        text = parameters.data.decode()
    except UnicodeDecodeError:
        raise invalid("parameters", "must be UTF-8") from None
    return NewRunRequest(
        scope=scope,
        deployment=deployment,
        run_id=request.run_id,
        parameters=text,
        display_name=request.display_name,
        scheduled_us=to_us(request.scheduled_time, "scheduled_time")
        if request.HasField("scheduled_time")
        else None,
        key=request.idempotency_key,
        tags=tuple(request.tags),
        labels=dict(request.labels),
        queue_id=request.work_queue,
        priority=request.priority,
        job_overrides=request.job_overrides_json,
        parent_run_id=request.parent_run_id,
        traceparent=request.trace_context.traceparent,
        tracestate=request.trace_context.tracestate,
        timeout_us=span_us(request.timeout, "timeout") if request.HasField("timeout") else None,
    )
