"""Deployments of flows."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

from google.protobuf.field_mask_pb2 import FieldMask

from towpath.api.v1 import deployment_pb2 as pb
from towpath.api.v1 import deployment_service_pb2
from towpath.client._calls import PAGE, Subject
from towpath.client._code_sources import from_code, to_code
from towpath.client._convert import (
    deployment_name,
    from_span,
    last_segment,
    to_optional_time,
    to_time,
)
from towpath.client._convert_schedules import from_payload, to_message, to_payload
from towpath.client._schedules import convert_schedule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime, timedelta

    from towpath.client._code_sources import CodeSource
    from towpath.client._schedules import ScheduleInfo
    from towpath.schedules import Schedule

CollisionStrategy = Literal["enqueue", "cancel_new"]
"""What becomes of a run that meets the full limit."""
LostContact = Literal["continue", "stop"]
"""What the process of a run does when it has lost contact to the service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentSpec:
    """The part of a deployment that its author gives."""

    entrypoint: str
    """Place of the flow function: "package.module:function" or "path/to/file.py:function"."""
    flow_name: str = ""
    """Name of the flow to show; empty for its id."""
    description: str = ""
    code: CodeSource | None = None
    """Source of the code; None when the code is at the worker already."""
    pool: str = ""
    """Id of the work pool; empty for a deployment that no worker executes."""
    queue: str = ""
    """Id of the queue of the pool; empty for the default one."""
    job_overrides: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Overrides of the pool's job template."""
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Default arguments."""
    parameter_schema: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """JSON Schema (2020-12) of the arguments; empty for any."""
    enforce_parameter_schema: bool = False
    """Whether the arguments of each run must fit the schema."""
    paused: bool | None = None
    """Whether its schedules create no runs; None leaves a deployment that is there as it is."""
    concurrency_limit: int | None = None
    """Most runs leased at once; None for no limit."""
    collision_strategy: CollisionStrategy = "enqueue"
    max_crash_retries: int = 0
    """Attempts after a crash, beside those of the flow's own retries."""
    on_lost_contact: LostContact = "continue"
    timeout: timedelta | None = None
    """Longest an attempt may run; None for no limit."""
    start_deadline: timedelta | None = None
    """How late a run may start; None for no limit."""
    priority: int = 50
    """Priority of its runs, 1 to 100."""
    secrets: tuple[str, ...] = ()
    """Ids of the secrets that its runs may use."""
    tags: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    code_version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentInfo:
    """A flow made ready to be run by workers."""

    id: str
    """Its id within the flow."""
    flow: str
    """Id of its flow."""
    workspace: str
    """Id of its workspace."""
    spec: DeploymentSpec
    """What its author gave."""
    paused: bool
    """Whether its schedules create no runs."""
    revision: int
    """Number of its last change, from 1."""
    owner: str
    """The principal that changed it last."""
    next_run: datetime | None
    """When its next run is due; None if none is."""
    schedules: tuple[ScheduleInfo, ...]
    """Its schedules; empty in lists."""
    created: datetime
    changed: datetime
    etag: str
    """Version of all but the schedules."""

    @property
    def name(self) -> str:
        """Its name, "flow/deployment"."""
        return f"{self.flow}/{self.id}"

    @property
    def resource_name(self) -> str:
        """The resource name, "workspaces/{workspace}/flows/{flow}/deployments/{id}"."""
        return deployment_name(self.workspace, self.name)


class Deployments(Subject):
    """Deploys, lists, pauses and deletes the deployments of the client's workspace.

    A deployment is named "flow/deployment". Every method raises `towpath.exceptions.RpcError`, or
    one of its kinds, when the service can't be reached or refuses.
    """

    def deploy(
        self, name: str, spec: DeploymentSpec, schedules: Mapping[str, Schedule] | None = None
    ) -> DeploymentInfo:
        """Creates a deployment, or makes it what is given; may be repeated.

        Args:
            name: Its name, "flow/deployment".
            spec: The deployment.
            schedules: Its schedules by id: those that it has beside them are deleted. None to leave
                its schedules as they are.

        Returns:
            The deployment as it is now.

        Raises:
            NotFound: There is no such work pool or queue.
            InvalidRequest: A schedule's rule is wrong, or arguments don't fit the schema.
        """
        message = _to_message(spec, self.workspace)
        message.name = deployment_name(self.workspace, name)
        for id_, schedule in (schedules or {}).items():
            converted = to_message(schedule)
            converted.name = f"{message.name}/schedules/{id_}"
            message.schedules.append(converted)
        request = deployment_service_pb2.UpdateDeploymentRequest(
            deployment=message, allow_missing=True, replace_schedules=schedules is not None
        )
        answer = self._calls.unary(
            "DeploymentService/UpdateDeployment",
            request,
            deployment_service_pb2.UpdateDeploymentResponse,
        )
        return _convert_deployment(answer.deployment)

    def get(self, name: str) -> DeploymentInfo:
        """Returns a deployment with its schedules.

        Args:
            name: Its name, "flow/deployment".

        Raises:
            NotFound: There is no such deployment.
        """
        request = deployment_service_pb2.GetDeploymentRequest(
            name=deployment_name(self.workspace, name)
        )
        answer = self._calls.unary(
            "DeploymentService/GetDeployment",
            request,
            deployment_service_pb2.GetDeploymentResponse,
        )
        return _convert_deployment(answer.deployment)

    def list(self, *, flow: str = "", pool: str = "") -> Iterator[DeploymentInfo]:
        """Lists deployments by flow and id, without their schedules.

        Args:
            flow: Id of their flow; empty for any.
            pool: Id of their work pool; empty for any.

        Returns:
            The deployments, fetched page by page.
        """
        parent = f"{self._parent}/flows/{flow}" if flow else self._parent
        request = deployment_service_pb2.ListDeploymentsRequest(
            parent=parent, page_size=PAGE, work_pool_id=pool
        )
        for page in self._calls.pages(
            "DeploymentService/ListDeployments",
            request,
            deployment_service_pb2.ListDeploymentsResponse,
        ):
            yield from map(_convert_deployment, page.deployments)

    def set_paused(self, name: str, *, paused: bool) -> DeploymentInfo:
        """Pauses or resumes a deployment; times while it is paused are never caught up.

        Args:
            name: Its name, "flow/deployment".
            paused: Whether its schedules create no runs.

        Returns:
            The deployment as it is now.

        Raises:
            NotFound: There is no such deployment.
        """
        request = deployment_service_pb2.UpdateDeploymentRequest(
            deployment=pb.Deployment(name=deployment_name(self.workspace, name), paused=paused),
            update_mask=FieldMask(paths=["paused"]),
        )
        answer = self._calls.unary(
            "DeploymentService/UpdateDeployment",
            request,
            deployment_service_pb2.UpdateDeploymentResponse,
        )
        return _convert_deployment(answer.deployment)

    def delete(self, name: str, *, etag: str = "") -> None:
        """Deletes a deployment with its schedules; its runs that wait are cancelled.

        Args:
            name: Its name, "flow/deployment".
            etag: The etag that the deployment must still have; empty for any.

        Raises:
            NotFound: There is no such deployment.
            Conflict: It has another etag.
        """
        request = deployment_service_pb2.DeleteDeploymentRequest(
            name=deployment_name(self.workspace, name), etag=etag
        )
        self._calls.unary(
            "DeploymentService/DeleteDeployment",
            request,
            deployment_service_pb2.DeleteDeploymentResponse,
        )


def _to_message(spec: DeploymentSpec, workspace: str) -> pb.Deployment:
    strategy = f"COLLISION_STRATEGY_{spec.collision_strategy.upper()}"
    contact = f"LOST_CONTACT_POLICY_{spec.on_lost_contact.upper()}"
    message = pb.Deployment(
        flow_name=spec.flow_name,
        description=spec.description,
        entrypoint=spec.entrypoint,
        code_source=None if spec.code is None else to_code(spec.code),
        work_pool=f"workspaces/{workspace}/workPools/{spec.pool}" if spec.pool else "",
        work_queue=spec.queue,
        job_overrides_json=_json(spec.job_overrides),
        parameters=to_payload(spec.parameters),
        parameter_schema_json=_json(spec.parameter_schema),
        enforce_parameter_schema=spec.enforce_parameter_schema,
        concurrency_limit=spec.concurrency_limit or 0,
        collision_strategy=pb.CollisionStrategy.Value(strategy),
        max_crash_retries=spec.max_crash_retries,
        on_lost_contact=pb.LostContactPolicy.Value(contact),
        timeout=from_span(spec.timeout),
        start_deadline=from_span(spec.start_deadline),
        priority=spec.priority,
        secrets=spec.secrets,
        tags=spec.tags,
        labels=spec.labels,
        code_version=spec.code_version,
    )
    if spec.paused is not None:
        message.paused = spec.paused
    return message


def _convert_deployment(message: pb.Deployment) -> DeploymentInfo:
    _, workspace, _, flow, _, id_ = message.name.split("/")
    return DeploymentInfo(
        id=id_,
        flow=flow,
        workspace=workspace,
        spec=_to_spec(message),
        paused=message.paused,
        revision=message.revision,
        owner=message.owner.principal,
        next_run=to_optional_time(message, "next_run_time"),
        schedules=tuple(map(convert_schedule, message.schedules)),
        created=to_time(message.create_time),
        changed=to_time(message.update_time),
        etag=message.etag,
    )


def _to_spec(message: pb.Deployment) -> DeploymentSpec:
    strategy = pb.CollisionStrategy.Name(message.collision_strategy)
    contact = pb.LostContactPolicy.Name(message.on_lost_contact)
    return DeploymentSpec(
        entrypoint=message.entrypoint,
        flow_name=message.flow_name,
        description=message.description,
        code=from_code(message.code_source) if message.HasField("code_source") else None,
        pool=last_segment(message.work_pool),
        queue=message.work_queue,
        job_overrides=json.loads(message.job_overrides_json or "{}"),
        parameters=from_payload(message.parameters),
        parameter_schema=json.loads(message.parameter_schema_json or "{}"),
        enforce_parameter_schema=message.enforce_parameter_schema,
        paused=message.paused,
        concurrency_limit=message.concurrency_limit or None,
        collision_strategy=cast(
            "CollisionStrategy", strategy.removeprefix("COLLISION_STRATEGY_").lower()
        ),
        max_crash_retries=message.max_crash_retries,
        on_lost_contact=cast("LostContact", contact.removeprefix("LOST_CONTACT_POLICY_").lower()),
        timeout=_span(message, "timeout"),
        start_deadline=_span(message, "start_deadline"),
        priority=message.priority,
        secrets=tuple(message.secrets),
        tags=tuple(message.tags),
        labels=dict(message.labels),
        code_version=message.code_version,
    )


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False) if content else ""


def _span(message: pb.Deployment, name: Any) -> timedelta | None:
    if not message.HasField(name):
        return None
    span: timedelta = getattr(message, name).ToTimedelta()
    return span
