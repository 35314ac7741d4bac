"""From deployments as authors write them to what the service keeps."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from towpath._class_cache import class_of
from towpath._definitions.code_sources import LocalCode
from towpath._definitions.deployments import span_of
from towpath._deploy.checks import check_parameters, check_schedules
from towpath._deploy.entrypoints import entrypoint_of
from towpath._deploy.schema import parameter_schema
from towpath._redaction.marking import sensitive_parameters
from towpath.annotations import freeze
from towpath.client import DeploymentSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from towpath._definitions.deployments import (
        DeployedFlow,
        DeploymentOptions,
        RunnerDeployment,
    )
    from towpath.schedules import Schedule


def spec_of(deployment: RunnerDeployment, root: Path) -> DeploymentSpec:
    """Returns the part of a deployment that is deployed.

    Args:
        deployment: The deployment.
        root: Folder of the project, from which workers on this machine load the code.

    Raises:
        DefinitionError: The flow can't be loaded elsewhere, or an option is wrong.
    """
    return with_options(
        flow_spec(deployment.flow, root),
        deployment.options,
        schedules=deployment.schedules,
        sensitive=sensitive_parameters(deployment.flow.fn),
    )


def with_options(
    spec: DeploymentSpec,
    options: DeploymentOptions,
    *,
    schedules: Mapping[str, Schedule] | None,
    sensitive: Iterable[str],
) -> DeploymentSpec:
    """Returns a deployment of a flow with the options that its author gave.

    Args:
        spec: What follows from the flow alone.
        options: The options.
        schedules: Its schedules by id, whose arguments are checked.
        sensitive: Names of the flow's sensitive parameters.

    Raises:
        DefinitionError: An option or an argument is wrong.
    """
    written = options.get("parameters") or {}
    parameters: dict[str, Any] = {name: _thawed(each) for name, each in written.items()}
    given = [parameters, *(each.parameters for each in (schedules or {}).values())]
    check_parameters(spec.flow_name, spec.parameter_schema, sensitive, *given)
    enforced = bool(spec.parameter_schema) and options.get("enforce_parameter_schema", True)
    if enforced:
        check_schedules(spec.flow_name, spec.parameter_schema, parameters, schedules)
    return dataclasses.replace(
        spec,
        description=options.get("description") or spec.description,
        tags=tuple(sorted({*spec.tags, *(options.get("tags") or ())})),
        labels=dict(options.get("labels") or {}),
        code_version=options.get("version") or spec.code_version,
        pool=options.get("work_pool_name") or "",
        queue=options.get("work_queue_name") or "",
        job_overrides=dict(options.get("job_variables") or {}),
        parameters=parameters,
        enforce_parameter_schema=enforced,
        paused=options.get("paused"),
        concurrency_limit=options.get("concurrency_limit"),
        collision_strategy=options.get("collision_strategy", "enqueue"),
        max_crash_retries=options.get("crash_retries", 0),
        on_lost_contact=options.get("on_lost_contact", "continue"),
        timeout=span_of("timeout", options.get("timeout")),
        start_deadline=span_of("start_deadline", options.get("start_deadline")),
        priority=options.get("priority", 50),
        secrets=tuple(options.get("secrets") or ()),
    )


def _thawed(value: Any) -> Any:
    return value.unfreeze() if class_of(value) is freeze else value


def flow_spec(flow: DeployedFlow, root: Path) -> DeploymentSpec:
    """Returns what follows from a flow alone; raises as `spec_of`."""
    return DeploymentSpec(
        entrypoint=entrypoint_of(flow, root),
        flow_name=flow.name,
        description=flow.description,
        code=flow.code if flow.code is not None else LocalCode(path=str(root)),
        parameter_schema=parameter_schema(flow),
        enforce_parameter_schema=True,
        tags=tuple(sorted(flow.tags)),
        code_version=flow.code_version,
    )
