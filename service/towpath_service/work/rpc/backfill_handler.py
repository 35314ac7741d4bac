"""The handler of BackfillService."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from towpath.api.v1 import backfill_service_pb2 as pb

from towpath_service.core.errors import invalid
from towpath_service.core.names import parse_workspace
from towpath_service.rpc.paging import read_page
from towpath_service.rpc.times import set_time, to_us
from towpath_service.work.application.backfills import NewBackfill
from towpath_service.work.domain.names import parse_backfill, parse_deployment
from towpath_service.work.rpc.convert_deployments import (
    fill_actor,
    fill_parameters,
    parameters_text,
)

if TYPE_CHECKING:
    from towpath_auth import Caller

    from towpath_service.work.application.backfills import WorkBackfills
    from towpath_service.work.domain.backfills import Backfill

MOST_SHOWN: Final = 1_000
"""Most due times of an answer."""


class BackfillHandler:
    """Manages backfills."""

    service: ClassVar[str] = "towpath.api.v1.BackfillService"

    def __init__(self, backfills: WorkBackfills) -> None:
        self._backfills = backfills

    async def create_backfill(
        self, request: pb.CreateBackfillRequest, caller: Caller
    ) -> pb.CreateBackfillResponse:
        """Makes a backfill, or only works it out."""
        asked = _new_backfill(request)
        if not request.dry_run:
            made = await self._backfills.create(caller, asked)
            found, active = await self._backfills.get(caller, made.name)
            return pb.CreateBackfillResponse(backfill=backfill_message(found, active))
        made, times = await self._backfills.work_out(caller, asked)
        answer = pb.CreateBackfillResponse(backfill=backfill_message(made, 0))
        answer.backfill.name = ""
        for moment_us in times[:MOST_SHOWN]:
            set_time(answer.times.add(), moment_us)
        return answer

    async def get_backfill(
        self, request: pb.GetBackfillRequest, caller: Caller
    ) -> pb.GetBackfillResponse:
        """Describes a backfill."""
        found, active = await self._backfills.get(caller, parse_backfill(request.name))
        return pb.GetBackfillResponse(backfill=backfill_message(found, active))

    async def list_backfills(
        self, request: pb.ListBackfillsRequest, caller: Caller
    ) -> pb.ListBackfillsResponse:
        """Lists backfills, newest first."""
        workspace_id = parse_workspace(request.parent)
        found, token = await read_page(
            lambda after, limit: self._backfills.page(caller, workspace_id, after, limit),
            lambda item: (str(item[0].created_us), item[0].name.backfill_id),
            caller,
            f"ListBackfills/{request.parent}",
            parts=2,
            size=request.page_size,
            token=request.page_token,
        )
        return pb.ListBackfillsResponse(
            backfills=[backfill_message(*item) for item in found], next_page_token=token
        )

    async def cancel_backfill(
        self, request: pb.CancelBackfillRequest, caller: Caller
    ) -> pb.CancelBackfillResponse:
        """Ends a backfill."""
        name = parse_backfill(request.name)
        await self._backfills.cancel(caller, name)
        found, active = await self._backfills.get(caller, name)
        return pb.CancelBackfillResponse(backfill=backfill_message(found, active))


def _new_backfill(request: pb.CreateBackfillRequest) -> NewBackfill:
    asked = request.backfill
    workspace_id = parse_workspace(request.parent)
    deployment = parse_deployment(asked.deployment, "backfill.deployment")
    if deployment.workspace_id != workspace_id:
        raise invalid("backfill.deployment", "must be of the workspace that `parent` names")
    return NewBackfill(
        backfill_id=request.request_id.lower(),
        deployment=deployment,
        schedule_id=asked.schedule_id,
        start_us=to_us(asked.start_time, "backfill.start_time"),
        end_us=to_us(asked.end_time, "backfill.end_time"),
        max_active=asked.max_active,
        parameters=parameters_text(asked.parameters, "backfill.parameters"),
    )


def backfill_message(item: Backfill, active: int) -> pb.Backfill:
    """A backfill.

    Args:
        item: The backfill.
        active: The number of its unfinished runs.
    """
    state: Any = int(item.state)
    message = pb.Backfill(
        name=str(item.name),
        deployment=str(item.deployment),
        schedule_id=item.schedule.schedule_id,
        max_active=item.max_active,
        total_count=item.total,
        created_count=item.created,
        active_count=active,
        state=state,
    )
    fill_parameters(message.parameters, item.parameters)
    fill_actor(message.creator, item.creator)
    set_time(message.start_time, item.start_us)
    set_time(message.end_time, item.end_us)
    set_time(message.create_time, item.created_us)
    if item.ended_us is not None:
        set_time(message.end_creation_time, item.ended_us)
    return message
