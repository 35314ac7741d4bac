"""The handler of DeploymentService about deployments."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from towpath.api.v1 import deployment_service_pb2 as pb

from towpath_service.core.errors import invalid
from towpath_service.core.names import parse_workspace
from towpath_service.rpc.paging import read_page
from towpath_service.work.application.deployments import DeploymentChange
from towpath_service.work.application.revising import ScheduleChange
from towpath_service.work.domain.names import (
    DeploymentName,
    check_id,
    parse_deployment,
    parse_flow,
)
from towpath_service.work.rpc.convert_deployments import (
    DEPLOYMENT_FIELDS,
    deployment_message,
    to_content,
)
from towpath_service.work.rpc.convert_schedules import (
    SCHEDULE_FIELDS,
    schedule_message,
    to_schedule_content,
)
from towpath_service.work.rpc.masks import chosen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.field_mask_pb2 import FieldMask
    from towpath.api.v1 import deployment_pb2
    from towpath_auth import Caller

    from towpath_service.work.application.deployments import WorkDeployments
    from towpath_service.work.application.schedules import WorkSchedules
    from towpath_service.work.domain.deployments import Deployment
    from towpath_service.work.domain.schedules import Schedule


class DeploymentHandler:
    """Manages deployments, with their schedules."""

    service: ClassVar[str] = "towpath.api.v1.DeploymentService"

    def __init__(self, deployments: WorkDeployments, schedules: WorkSchedules) -> None:
        self._deployments = deployments
        self._schedules = schedules

    async def create_deployment(
        self, request: pb.CreateDeploymentRequest, caller: Caller
    ) -> pb.CreateDeploymentResponse:
        """Makes a deployment, with its schedules, and its flow if that is new."""
        name = DeploymentName(*parse_flow(request.parent), request.deployment_id)
        made, schedules = await self._deployments.create(
            caller,
            name,
            to_content(request.deployment, name.workspace_id),
            _given(request.deployment, name),
        )
        return pb.CreateDeploymentResponse(deployment=await self._shown(caller, made, schedules))

    async def get_deployment(
        self, request: pb.GetDeploymentRequest, caller: Caller
    ) -> pb.GetDeploymentResponse:
        """Describes a deployment with its schedules."""
        found, schedules = await self._deployments.get(caller, parse_deployment(request.name))
        return pb.GetDeploymentResponse(deployment=await self._shown(caller, found, schedules))

    async def list_deployments(
        self, request: pb.ListDeploymentsRequest, caller: Caller
    ) -> pb.ListDeploymentsResponse:
        """Lists deployments."""
        workspace_id, flow_id = _parent(request.parent)
        if request.work_pool_id:
            check_id(request.work_pool_id, "work_pool_id")
        found, token = await read_page(
            lambda after, limit: self._deployments.page(
                caller, workspace_id, after, limit, flow_id=flow_id, pool_id=request.work_pool_id
            ),
            lambda item: item[0].name[1:],
            caller,
            f"ListDeployments/{request.parent}/{request.work_pool_id}",
            parts=2,
            size=request.page_size,
            token=request.page_token,
        )
        return pb.ListDeploymentsResponse(
            deployments=[deployment_message(*item) for item in found], next_page_token=token
        )

    async def update_deployment(
        self, request: pb.UpdateDeploymentRequest, caller: Caller
    ) -> pb.UpdateDeploymentResponse:
        """Changes a deployment, or makes it."""
        asked = request.deployment
        name = parse_deployment(asked.name, "deployment.name")
        if request.allow_missing and request.update_mask.paths:
            raise invalid("update_mask", "must be empty with allow_missing")
        if asked.schedules and not request.replace_schedules:
            raise invalid("deployment.schedules", "must be empty without replace_schedules")
        change = DeploymentChange(
            name=name,
            content=to_content(asked, name.workspace_id),
            fields=_fields(asked, request.update_mask),
            etag=asked.etag,
            allow_missing=request.allow_missing,
            schedules=_given(asked, name) if request.replace_schedules else None,
        )
        now, schedules = await self._deployments.update(caller, change)
        return pb.UpdateDeploymentResponse(deployment=await self._shown(caller, now, schedules))

    async def delete_deployment(
        self, request: pb.DeleteDeploymentRequest, caller: Caller
    ) -> pb.DeleteDeploymentResponse:
        """Removes a deployment and its schedules."""
        await self._deployments.delete(caller, parse_deployment(request.name), request.etag)
        return pb.DeleteDeploymentResponse()

    async def _shown(
        self, caller: Caller, deployment: Deployment, schedules: Sequence[Schedule]
    ) -> deployment_pb2.Deployment:
        """A deployment with its schedules."""
        following, last = await self._schedules.shown(caller, schedules)
        due = [item.wake_us for item in schedules if item.wake_us is not None]
        message = deployment_message(deployment, min(due, default=None))
        message.schedules.extend(
            schedule_message(item, following.get(item.name, ()), last.get(item.name))
            for item in schedules
        )
        return message


def _parent(name: str) -> tuple[str, str]:
    """The workspace and the flow, if any, in the parent of a list."""
    if "/flows/" in name:
        return parse_flow(name)
    return parse_workspace(name), ""


def _fields(asked: deployment_pb2.Deployment, mask: FieldMask) -> frozenset[str]:
    kept = () if asked.HasField("paused") else ("paused",)
    return chosen(mask, DEPLOYMENT_FIELDS, but=kept)


def _given(asked: deployment_pb2.Deployment, name: DeploymentName) -> list[ScheduleChange]:
    """The schedules that are given with a deployment."""
    given: dict[str, ScheduleChange] = {}
    for number, schedule in enumerate(asked.schedules):
        field = f"deployment.schedules[{number}]"
        schedule_id = schedule.name.removeprefix(f"{name}/schedules/")
        check_id(schedule_id, f"{field}.name")
        if schedule_id in given:
            raise invalid(f"{field}.name", f"{schedule_id!r} is given twice")
        kept = {"paused"} if not schedule.HasField("paused") else set[str]()
        given[schedule_id] = ScheduleChange(
            schedule_id=schedule_id,
            content=to_schedule_content(schedule, field),
            fields=frozenset(SCHEDULE_FIELDS.values()) - kept,
        )
    return list(given.values())
