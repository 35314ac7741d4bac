"""Deploys flows to work pools."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from towpath._deploy.images import request_of, with_images
from towpath._deploy.lines import outcome_line, shown_name
from towpath._deploy.specs import spec_of
from towpath._settings.current import get_settings
from towpath.client import connect
from towpath.exceptions import DefinitionError, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from towpath._definitions.deployments import RunnerDeployment
    from towpath._deploy.images import DockerImage
    from towpath.client import Client, DeploymentInfo, DeploymentSpec
    from towpath.schedules import Schedule

_IGNORED: Final = frozenset({"print_next_steps_message", "print_next_steps", "ignore_warnings"})
"""Options of Prefect's without effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """A deployment as it is after it was deployed."""

    info: DeploymentInfo
    outcome: str
    """ "created", "updated" or "unchanged"."""

    @property
    def name(self) -> str:
        """Its name to show, "flow/deployment"."""
        return shown_name(self.info)

    @property
    def line(self) -> str:
        """The line that tells of it."""
        return outcome_line(self.info, self.outcome)


def deploy(
    *deployments: RunnerDeployment,
    work_pool_name: str | None = None,
    image: str | DockerImage | None = None,
    build: bool = True,
    push: bool = True,
    **ignored: Any,
) -> list[str]:
    """Deploys flows, so that workers execute their runs; may be repeated.

    Args:
        *deployments: The deployments, made by `flow.to_deployment`.
        work_pool_name: Id of the work pool of those that name none; None for the setting
            `deploy.pool`.
        image: Image of those that name none, where the pool's kind uses images.
        build: Whether images are built, by docker, podman or buildah.
        push: Whether images are pushed once they are built.
        **ignored: Prefect's options without effect.

    Returns:
        The names of the deployments, "flow/deployment".

    Raises:
        DefinitionError: A flow can't be loaded elsewhere, an option is wrong, or no pool is named.
        ImageError: An image can't be built or pushed.
        NotFound: There is no such work pool or queue.
        InvalidRequest: A schedule's rule is wrong, or arguments don't fit.
        RpcError: The service can't be reached, or refuses.
    """
    _check_ignored(ignored)
    root = Path.cwd()
    settings = get_settings()
    usual = work_pool_name or settings.deploy_pool
    # All of them are checked before the first is deployed.
    specs = [(each, _in_pool(spec_of(each, root), each, usual)) for each in deployments]
    requests = [
        request_of(each.options, image=image, build=build, push=push) for each in deployments
    ]
    names: list[str] = []
    with connect(settings) as client:
        wanted = [(spec, request) for (_, spec), request in zip(specs, requests, strict=True)]
        ready = with_images(wanted, root, kinds(client), settings.image_tool)
        for deployment, spec in zip(deployments, ready, strict=True):
            made = deployed(client, deployment.full_name, spec, deployment.schedules)
            print(made.line)  # noqa: T201 - a script tells what it did
            names.append(made.info.name)
    return names


def kinds(client: Client) -> Callable[[str], str]:
    """Returns a function that gives the kind of a pool, and raises NotFound with advice."""

    def kind_of(pool: str) -> str:
        try:
            return client.pools.get(pool).kind
        except NotFound as error:
            raise _as(error, _no_pool(pool)) from error

    return kind_of


def deployed(
    client: Client, name: str, spec: DeploymentSpec, schedules: Mapping[str, Schedule] | None
) -> Deployed:
    """Deploys one deployment, and tells what changed.

    Args:
        client: The client.
        name: "flow/deployment", made of ids.
        spec: The deployment.
        schedules: Its schedules by id; None to leave those that are there as they are.

    Raises:
        RpcError: The service refuses.
    """
    before = _found(client, name)
    try:
        info = client.deployments.deploy(name, spec, schedules)
    except NotFound as error:
        raise _with_advice(error, spec) from error
    return Deployed(info=info, outcome=_outcome(before, info))


def _with_advice(error: NotFound, spec: DeploymentSpec) -> NotFound:
    """The same error, with the command that makes what is missing."""
    message = str(error)
    if error.metadata.get("resource", "").endswith(f"/workPools/{spec.pool}"):
        message = _no_pool(spec.pool)
    elif spec.queue and error.metadata.get("resource", "").endswith(f"/queues/{spec.queue}"):
        queue = f"{spec.pool}/{spec.queue}"
        message = f"there is no queue {queue}: `towpath queue create {queue}`"
    return _as(error, message)


def _no_pool(pool: str) -> str:
    return f"there is no work pool {pool}: `towpath pool create {pool}`"


def _as(error: NotFound, message: str) -> NotFound:
    return NotFound(message, code=error.code, reason=error.reason, metadata=dict(error.metadata))


def _found(client: Client, name: str) -> DeploymentInfo | None:
    try:
        return client.deployments.get(name)
    except NotFound:
        return None


def _outcome(before: DeploymentInfo | None, after: DeploymentInfo) -> str:
    if before is None:
        return "created"
    same = before.revision == after.revision
    return "unchanged" if same and _etags(before) == _etags(after) else "updated"


def _etags(info: DeploymentInfo) -> Sequence[tuple[str, str]]:
    return [(each.id, each.etag) for each in info.schedules]


def _in_pool(spec: DeploymentSpec, deployment: RunnerDeployment, usual: str) -> DeploymentSpec:
    pool = spec.pool or usual
    if not pool:
        raise DefinitionError(
            f"deployment {deployment.name!r} names no work pool: give work_pool_name=, or set"
            " deploy.pool"
        )
    return replace(spec, pool=pool)


def _check_ignored(options: Mapping[str, Any]) -> None:
    for option in options:
        if option not in _IGNORED:
            close = difflib.get_close_matches(
                option, ["work_pool_name", "image", "build", "push", *_IGNORED], 1
            )
            hint = f": did you mean {close[0]!r}?" if close else ""
            raise DefinitionError(f"deploy has no option {option!r}{hint}")
