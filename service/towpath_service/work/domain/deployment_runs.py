"""Runs as their deployment has them; used by CreateRun, schedules and backfills."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from towpath_service.work.domain.parameters import check_parameters
from towpath_service.work.domain.requests import RunRequest, payload_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towpath_service.core.names import Scope
    from towpath_service.work.domain.deployments import Deployment, DeploymentContent


def checked_parameters(content: DeploymentContent, *given: str) -> Mapping[str, Any]:
    """The arguments of a run: the deployment's, with others merged over them, one after the other.

    Args:
        content: The deployment's content.
        given: JSON objects; empty for none.

    Raises:
        ServiceError: INVALID_REQUEST: they don't fit the deployment's schema; PAYLOAD_TOO_LARGE.
    """
    parameters = content.merged_parameters(*given)
    schema = content.enforced_schema
    if schema is not None:
        check_parameters(schema, parameters)
    return parameters


def run_of(
    deployment: Deployment,
    scope: Scope,
    *,
    run_id: str,
    actor: str,
    due_us: int,
    parameters: Mapping[str, Any],
    deadline_us: int | None = None,
    **others: Any,
) -> RunRequest:
    """A run of a deployment as it is now.

    Args:
        deployment: The deployment, which has a pool.
        scope: Its workspace.
        run_id: Id of the new run.
        actor: Principal that it is created for.
        due_us: When it may start, microseconds since the Unix epoch.
        parameters: All its arguments.
        deadline_us: Its latest start; None for the deployment's.
        others: Fields of the request that no deployment gives.
    """
    content = deployment.content
    if deadline_us is None and content.start_deadline_us is not None:
        deadline_us = due_us + content.start_deadline_us
    return RunRequest(
        scope=scope,
        run_id=run_id,
        flow_id=deployment.name.flow_id,
        flow_name=content.flow_name,
        deployment_id=deployment.name.deployment_id,
        deployment_revision=deployment.revision,
        pool_id=content.pool_id,
        queue_id=content.queue_id,
        actor=actor,
        due_us=due_us,
        priority=content.priority,
        start_deadline_us=deadline_us,
        parameters=payload_text(parameters),
        tags=content.tags,
        labels=content.labels,
        code_version=content.code_version,
        timeout_us=content.timeout_us,
        **others,
    )
