"""Converts deployments between messages and values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from google.protobuf import json_format
from towpath.api.v1 import deployment_pb2 as pb

from towpath_service.core.errors import invalid
from towpath_service.rpc.times import set_span, set_time, span_us
from towpath_service.work.domain.deployments import (
    MIDDLE_PRIORITY,
    CollisionStrategy,
    DeploymentContent,
    LostContact,
    check_address,
)
from towpath_service.work.domain.names import PoolName, parse_pool

if TYPE_CHECKING:
    from towpath.api.v1.common_pb2 import Actor, Payload

    from towpath_service.work.domain.deployments import Deployment

DEPLOYMENT_FIELDS: Final = {
    "flow_name": "flow_name",
    "description": "description",
    "entrypoint": "entrypoint",
    "code_source": "code_source",
    "work_pool": "pool_id",
    "work_queue": "queue_id",
    "job_overrides_json": "job_overrides",
    "parameters": "parameters",
    "parameter_schema_json": "parameter_schema",
    "enforce_parameter_schema": "enforce_parameter_schema",
    "paused": "paused",
    "concurrency_limit": "concurrency_limit",
    "collision_strategy": "collision_strategy",
    "max_crash_retries": "max_crash_retries",
    "on_lost_contact": "on_lost_contact",
    "timeout": "timeout_us",
    "start_deadline": "start_deadline_us",
    "priority": "priority",
    "secrets": "secrets",
    "tags": "tags",
    "labels": "labels",
    "code_version": "code_version",
}
"""Attributes of `DeploymentContent` by the contract's fields."""

_JSON: Final = "application/json"


def to_content(message: pb.Deployment, workspace_id: str) -> DeploymentContent:
    """The content in a deployment's message.

    Args:
        message: The message.
        workspace_id: The workspace of the deployment, which its pool must belong to.

    Raises:
        ServiceError: INVALID_REQUEST, with the field.
    """
    return DeploymentContent(
        flow_name=message.flow_name,
        description=message.description,
        entrypoint=message.entrypoint,
        code_source=_code_source(message),
        pool_id=_pool_id(message.work_pool, workspace_id),
        queue_id=message.work_queue,
        job_overrides=message.job_overrides_json,
        parameters=parameters_text(message.parameters, "deployment.parameters"),
        parameter_schema=message.parameter_schema_json,
        enforce_parameter_schema=message.enforce_parameter_schema,
        paused=message.paused,
        concurrency_limit=message.concurrency_limit,
        collision_strategy=CollisionStrategy(message.collision_strategy or 1),
        max_crash_retries=message.max_crash_retries,
        on_lost_contact=LostContact(message.on_lost_contact or 1),
        timeout_us=_span(message, "timeout"),
        start_deadline_us=_span(message, "start_deadline"),
        priority=message.priority or MIDDLE_PRIORITY,
        secrets=tuple(message.secrets),
        tags=tuple(message.tags),
        labels=dict(message.labels),
        code_version=message.code_version,
    )


def deployment_message(deployment: Deployment, next_us: int | None) -> pb.Deployment:
    """A deployment without its schedules.

    Args:
        deployment: The deployment.
        next_us: When its next run is due; None if none is.
    """
    content = deployment.content
    strategy: Any = int(content.collision_strategy)
    contact: Any = int(content.on_lost_contact)
    pool = deployment.pool
    message = pb.Deployment(
        name=str(deployment.name),
        flow_name=content.flow_name or deployment.name.flow_id,
        description=content.description,
        entrypoint=content.entrypoint,
        work_pool="" if pool is None else str(pool),
        work_queue=content.queue_id,
        job_overrides_json=content.job_overrides,
        parameter_schema_json=content.parameter_schema,
        enforce_parameter_schema=content.enforce_parameter_schema,
        paused=content.paused,
        concurrency_limit=content.concurrency_limit,
        collision_strategy=strategy,
        max_crash_retries=content.max_crash_retries,
        on_lost_contact=contact,
        priority=content.priority,
        secrets=content.secrets,
        tags=content.tags,
        labels=content.labels,
        code_version=content.code_version,
        revision=deployment.revision,
        etag=deployment.etag,
    )
    if content.code_source:
        json_format.Parse(content.code_source, message.code_source, ignore_unknown_fields=True)
    fill_parameters(message.parameters, content.parameters)
    if content.timeout_us is not None:
        set_span(message.timeout, content.timeout_us)
    if content.start_deadline_us is not None:
        set_span(message.start_deadline, content.start_deadline_us)
    if next_us is not None:
        set_time(message.next_run_time, next_us)
    fill_actor(message.owner, deployment.owner)
    set_time(message.create_time, deployment.created_us)
    set_time(message.update_time, deployment.updated_us)
    return message


def parameters_text(payload: Payload, field: str) -> str:
    """The JSON text of arguments; empty for none; raises INVALID_REQUEST."""
    if payload.content_type not in {"", _JSON} or payload.WhichOneof("location") == "uri":
        raise invalid(field, f'must be given as `data` of the content type "{_JSON}"')
    try:
        return payload.data.decode()
    except UnicodeDecodeError:
        raise invalid(field, "must be JSON in UTF-8") from None


def fill_parameters(payload: Payload, text: str) -> None:
    """Fills arguments from their JSON text; leaves them unset where there are none."""
    if text:
        payload.content_type = _JSON
        payload.data = text.encode()
        payload.size_bytes = len(payload.data)


def fill_actor(actor: Actor, principal: str) -> None:
    """Fills an actor from its principal."""
    actor.principal, actor.display_name = principal, principal.rpartition("/")[2]


def _pool_id(name: str, workspace_id: str) -> str:
    if not name:
        return ""
    pool: PoolName = parse_pool(name, "deployment.work_pool")
    if pool.workspace_id != workspace_id:
        raise invalid("deployment.work_pool", "must be a pool of the deployment's own workspace")
    return pool.pool_id


def _code_source(message: pb.Deployment) -> str:
    """The source as JSON text, checked to contain no credential."""
    if not message.HasField("code_source"):
        return ""
    source, field = message.code_source, "deployment.code_source"
    check_address(source.git.url, f"{field}.git.url")
    check_address(source.packages.index_url, f"{field}.packages.index_url")
    check_address(source.archive.uri, f"{field}.archive.uri")
    for number, requirement in enumerate(source.packages.requirements):
        check_address(requirement, f"{field}.packages.requirements[{number}]")
    return json.dumps(json_format.MessageToDict(source), separators=(",", ":"), sort_keys=True)


def _span(message: pb.Deployment, name: Any) -> int | None:
    if not message.HasField(name):
        return None
    return span_us(getattr(message, name), f"deployment.{name}")
