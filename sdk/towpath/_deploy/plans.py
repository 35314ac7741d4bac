"""Deployments as commands and project files write them, and what is deployed of them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from towpath._definitions.code_sources import LocalCode
from towpath._definitions.deployments import check_options
from towpath._definitions.flow_ids import flow_id_of
from towpath._definitions.slugs import deployment_id_of
from towpath._deploy.describe import FlowDescription, describe
from towpath._deploy.images import request_of
from towpath._deploy.specs import with_options
from towpath.client import DeploymentSpec
from towpath.exceptions import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towpath._definitions.deployments import DeploymentOptions
    from towpath._deploy.images import ImageRequest
    from towpath._deploy.steps import Pull
    from towpath.schedules import Schedule

_TEXT: Final = "string"


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenDeployment:
    """A deployment of a command or a project file.

    Attributes:
        name: Its name.
        entrypoint: The flow, "path/file.py:flow".
        place: File and line of its entry, for messages; empty for one of a command.
        pull: Where its code is.
        schedules: Its schedules by id; None to leave those that are there as they are.
        pool: Id of its work pool; empty for none.
        queue: Id of its queue; empty for the default.
        flow_name: Name of the flow; empty for the one that the code defines.
        texts: Arguments as texts, which the schema gives types.
        values: The other options, as `flow.to_deployment` takes them.
    """

    name: str
    entrypoint: str
    place: str
    pull: Pull
    schedules: Mapping[str, Schedule] | None
    pool: str = ""
    queue: str = ""
    flow_name: str = ""
    texts: Mapping[str, str] = field(default_factory=dict[str, str])
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is deployed.

    Attributes:
        name: Its name, "flow/deployment", made of ids.
        spec: The deployment.
        schedules: Its schedules by id; None to leave those that are there as they are.
        notes: What users should know.
        image: Image that it asks for; None for none.
    """

    name: str
    spec: DeploymentSpec
    schedules: Mapping[str, Schedule] | None
    notes: tuple[str, ...] = ()
    image: ImageRequest | None = None


def plan_of(
    written: WrittenDeployment, root: Path, *, usual_pool: str = "", check: bool = True
) -> Plan:
    """Works out what is deployed.

    Args:
        written: The deployment.
        root: Folder of the project, in which the flow is loaded where its code is elsewhere.
        usual_pool: Id of the work pool of deployments that name none.
        check: Whether the flow's code is loaded, in a process of its own. Without that there is no
            schema, and the flow has the name of its function, or the one written.

    Raises:
        DefinitionError: The code can't be loaded, or an option or argument is wrong.
    """
    try:
        return _planned(written, root, usual_pool, check=check)
    except DefinitionError as error:
        if not written.place:
            raise
        raise DefinitionError(f"{written.place}: {error}") from None


def _planned(written: WrittenDeployment, root: Path, usual_pool: str, *, check: bool) -> Plan:
    pool = written.pool or usual_pool
    if not pool:
        raise DefinitionError(
            f"deployment {written.name!r} names no work pool: give --pool, or set deploy.pool"
        )
    code = written.pull.code
    folder = Path(code.path) if isinstance(code, LocalCode) else root
    flow = describe(written.entrypoint, folder) if check else _assumed(written)
    options: dict[str, Any] = dict(written.values)
    typed = typed_parameters(flow.schema, written.texts)
    options["parameters"] = {**(options.get("parameters") or {}), **typed}
    options |= {"work_pool_name": pool, "work_queue_name": written.queue}
    checked = cast("DeploymentOptions", options)
    check_options(checked)
    base = DeploymentSpec(
        entrypoint=written.entrypoint,
        flow_name=flow.name,
        description=flow.description,
        code=code,
        parameter_schema=flow.schema,
        tags=flow.tags,
        code_version=flow.code_version,
    )
    spec = with_options(base, checked, schedules=written.schedules, sensitive=flow.sensitive)
    return Plan(
        name=f"{flow.id}/{deployment_id_of(written.name)}",
        spec=spec,
        schedules=written.schedules,
        notes=written.pull.notes,
        image=request_of(options),
    )


def _assumed(written: WrittenDeployment) -> FlowDescription:
    """What can be said of a flow whose code isn't loaded."""
    _, colon, function = written.entrypoint.rpartition(":")
    if not colon or not function:
        raise DefinitionError(
            f"the entrypoint {written.entrypoint!r} names no flow: write path/file.py:flow or"
            " package.module:flow"
        )
    name = written.flow_name or function.rpartition(".")[2]
    return FlowDescription(
        name=name,
        id=flow_id_of(name),
        description="",
        tags=(),
        code_version="",
        schema={},
        sensitive=(),
    )


def typed_parameters(schema: Mapping[str, Any], texts: Mapping[str, str]) -> dict[str, Any]:
    """Returns arguments that were written as texts with the types that the schema gives them.

    A text for a parameter that takes only texts stays as it is. Others are read as JSON, and stay
    texts where they are none.
    """
    properties: Mapping[str, Any] = schema.get("properties", {})
    return {name: _typed(properties.get(name, {}), text) for name, text in texts.items()}


def _typed(schema: Mapping[str, Any], text: str) -> Any:
    if schema.get("type") == _TEXT:
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text
