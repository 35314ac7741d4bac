"""The handler of DeploymentService about schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from towpath.api.v1 import deployment_service_pb2 as pb

from towpath_service.core.errors import invalid
from towpath_service.core.names import parse_workspace
from towpath_service.rpc.paging import read_page
from towpath_service.rpc.times import set_time, to_us
from towpath_service.work.application.revising import ScheduleChange
from towpath_service.work.domain.names import (
    EVERY,
    DeploymentName,
    parse_deployment,
    parse_schedule,
)
from towpath_service.work.rpc.convert_schedules import (
    SCHEDULE_FIELDS,
    schedule_message,
    slot_message,
    to_schedule_content,
)
from towpath_service.work.rpc.masks import chosen

if TYPE_CHECKING:
    from towpath.api.v1 import deployment_pb2
    from towpath_auth import Caller

    from towpath_service.work.application.schedules import WorkSchedules
    from towpath_service.work.domain.schedules import Schedule, Slot

_DEFAULT_COUNT: Final = 10


class ScheduleHandler:
    """Manages schedules."""

    service: ClassVar[str] = "towpath.api.v1.DeploymentService"

    def __init__(self, schedules: WorkSchedules) -> None:
        self._schedules = schedules

    async def create_schedule(
        self, request: pb.CreateScheduleRequest, caller: Caller
    ) -> pb.CreateScheduleResponse:
        """Makes a schedule."""
        parent = parse_deployment(request.parent, "parent")
        change = ScheduleChange(
            schedule_id=request.schedule_id,
            content=to_schedule_content(request.schedule),
            fields=frozenset(SCHEDULE_FIELDS.values()),
        )
        made = await self._schedules.create(caller, parent, change)
        return pb.CreateScheduleResponse(schedule=await self._shown(caller, made))

    async def get_schedule(
        self, request: pb.GetScheduleRequest, caller: Caller
    ) -> pb.GetScheduleResponse:
        """Describes a schedule."""
        found = await self._schedules.get(caller, parse_schedule(request.name))
        return pb.GetScheduleResponse(schedule=await self._shown(caller, found))

    async def list_schedules(
        self, request: pb.ListSchedulesRequest, caller: Caller
    ) -> pb.ListSchedulesResponse:
        """Lists schedules, of a deployment, a flow or a workspace."""
        parent = _parent(request.parent)
        found, token = await read_page(
            lambda after, limit: self._schedules.page(caller, parent, after, limit),
            lambda schedule: schedule.name[1:],
            caller,
            f"ListSchedules/{request.parent}",
            parts=3,
            size=request.page_size,
            token=request.page_token,
        )
        return pb.ListSchedulesResponse(
            schedules=[
                schedule_message(item, () if item.wake_us is None else (item.wake_us,), None)
                for item in found
            ],
            next_page_token=token,
        )

    async def update_schedule(
        self, request: pb.UpdateScheduleRequest, caller: Caller
    ) -> pb.UpdateScheduleResponse:
        """Changes a schedule."""
        asked = request.schedule
        name = parse_schedule(asked.name, "schedule.name")
        kept = () if asked.HasField("paused") else ("paused",)
        fields = chosen(request.update_mask, SCHEDULE_FIELDS, but=kept)
        change = ScheduleChange(
            schedule_id=name.schedule_id,
            content=to_schedule_content(asked, with_rule="rule" in fields),
            fields=fields,
        )
        now = await self._schedules.update(caller, name, change, asked.etag)
        return pb.UpdateScheduleResponse(schedule=await self._shown(caller, now))

    async def delete_schedule(
        self, request: pb.DeleteScheduleRequest, caller: Caller
    ) -> pb.DeleteScheduleResponse:
        """Removes a schedule."""
        await self._schedules.delete(caller, parse_schedule(request.name), request.etag)
        return pb.DeleteScheduleResponse()

    async def preview_schedule(
        self, request: pb.PreviewScheduleRequest, caller: Caller
    ) -> pb.PreviewScheduleResponse:
        """Works out the due times of a rule."""
        del caller
        parse_workspace(request.parent)
        times = await self._schedules.preview(
            to_schedule_content(request.schedule),
            after_us=_time(request, "after_time"),
            before_us=_time(request, "before_time"),
            most=request.count or _DEFAULT_COUNT,
            key=request.schedule.name,
        )
        answer = pb.PreviewScheduleResponse()
        for moment_us in times:
            set_time(answer.times.add(), moment_us)
        return answer

    async def list_schedule_slots(
        self, request: pb.ListScheduleSlotsRequest, caller: Caller
    ) -> pb.ListScheduleSlotsResponse:
        """Lists the due times of a schedule that were decided, newest first."""
        name = parse_schedule(request.parent, "parent")

        async def read(after: tuple[str, ...], limit: int) -> list[Slot]:
            before_us = int(after[0]) if after else None
            return await self._schedules.slots(caller, name, before_us, limit)

        found, token = await read_page(
            read,
            lambda slot: (str(slot.slot_us),),
            caller,
            f"ListScheduleSlots/{request.parent}",
            size=request.page_size,
            token=request.page_token,
        )
        return pb.ListScheduleSlotsResponse(
            slots=[slot_message(slot, name.workspace_id) for slot in found], next_page_token=token
        )

    async def _shown(self, caller: Caller, schedule: Schedule) -> deployment_pb2.Schedule:
        following, last = await self._schedules.shown(caller, [schedule])
        return schedule_message(schedule, following.get(schedule.name, ()), last.get(schedule.name))


def _parent(name: str) -> DeploymentName:
    """The deployment in the parent of a list; "-" for any flow, and for any deployment."""
    parts = name.split("/")
    every_flow = parts[2:4] == ["flows", EVERY]
    every_deployment = parts[4:6] == ["deployments", EVERY]
    if every_flow and not every_deployment:
        raise invalid("parent", 'must end in "deployments/-" after "flows/-"')
    if every_flow:
        parts[3] = "any"
    if every_deployment:
        parts[5] = "any"
    parsed = parse_deployment("/".join(parts), "parent")
    return DeploymentName(
        parsed.workspace_id,
        EVERY if every_flow else parsed.flow_id,
        EVERY if every_deployment else parsed.deployment_id,
    )


def _time(request: pb.PreviewScheduleRequest, name: Any) -> int | None:
    return to_us(getattr(request, name), name) if request.HasField(name) else None
