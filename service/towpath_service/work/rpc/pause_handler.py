"""The handler of the rpcs of RunService that pause and resume runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from towpath.api.v1 import run_service_pb2 as pb

from towpath_service.core.errors import invalid
from towpath_service.rpc.times import span_us
from towpath_service.runs.rpc.convert_pauses import to_answered
from towpath_service.runs.rpc.scopes import run_scope
from towpath_service.work.application.pausing import PauseRequest

if TYPE_CHECKING:
    from towpath.api.v1 import run_pb2
    from towpath_auth import Caller

    from towpath_service.core.clock import Clock
    from towpath_service.runs.application.queries import Queries
    from towpath_service.runs.rpc.shown_runs import ShownRuns
    from towpath_service.work.application.pausing import Pausing


class PauseHandler:
    """Pauses and resumes runs."""

    service: ClassVar[str] = "towpath.api.v1.RunService"

    def __init__(self, pausing: Pausing, clock: Clock, queries: Queries, shown: ShownRuns) -> None:
        self._pausing = pausing
        self._clock = clock
        self._queries = queries
        self._shown = shown

    async def pause_run(self, request: pb.PauseRunRequest, caller: Caller) -> pb.PauseRunResponse:
        """Takes a run that waits for a worker out of the queue."""
        asked = _request(caller, request.name, message=request.message)
        await self._pausing.pause(asked)
        return pb.PauseRunResponse(run=await self._run(asked))

    async def resume_run(
        self, request: pb.ResumeRunRequest, caller: Caller
    ) -> pb.ResumeRunResponse:
        """Answers the pause of a run."""
        asked = _request(
            caller,
            request.name,
            key=request.pause_key,
            input=_input(request) if request.HasField("input") else None,
            request_id=request.request_id or None,
        )
        await self._pausing.resume(asked)
        return pb.ResumeRunResponse(run=await self._run(asked))

    async def await_run_input(
        self, request: pb.AwaitRunInputRequest, caller: Caller
    ) -> pb.AwaitRunInputResponse:
        """Waits until a pause is answered."""
        asked = _request(caller, request.name, key=request.pause_key)
        found = await self._pausing.wait(asked, span_us(request.wait, "wait"))
        state: Any = int(found.state)
        if found.pause is None:
            return pb.AwaitRunInputResponse(state=state)
        shown = to_answered(found.pause, self._clock.now_us())
        return pb.AwaitRunInputResponse(state=state, pause=shown)

    async def _run(self, asked: PauseRequest) -> run_pb2.Run:
        run, detail = await self._queries.run(asked.scope, asked.run_id)
        [shown] = await self._shown.of(asked.scope, [run], {asked.run_id: detail})
        return shown


def _request(caller: Caller, name: str, **given: Any) -> PauseRequest:
    scope, run_id = run_scope(caller, name, "name")
    within = "" if caller.run is None else caller.run.run_id
    return PauseRequest(scope=scope, run_id=run_id, actor=caller.principal, within=within, **given)


def _input(request: pb.ResumeRunRequest) -> str:
    given = request.input
    if given.uri or given.content_type not in {"", "application/json"}:
        raise invalid("input", "must be a JSON object, given as `data`")
    try:
        return given.data.decode()
    except UnicodeDecodeError:
        raise invalid("input", "must be UTF-8") from None
