"""The handler of ArtifactService."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Final

from google.protobuf.json_format import Parse
from towpath.api.v1 import artifact_pb2, common_pb2
from towpath.api.v1 import artifact_service_pb2 as pb

from towpath_service.core.errors import invalid
from towpath_service.core.names import SLUG, Scope, is_uuid, parse_run, run_name
from towpath_service.rpc.paging import read_page
from towpath_service.rpc.times import set_time
from towpath_service.runs.ports.reads import ArtifactQuery
from towpath_service.runs.rpc.scopes import workspace_scope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath_auth import Caller

    from towpath_service.runs.application.artifacts import Artifacts
    from towpath_service.runs.domain.runs import Artifact

_ARTIFACT: Final = re.compile(rf"workspaces/({SLUG})/artifacts/([0-9a-f-]{{36}})")


class ArtifactHandler:
    """Reads artifacts."""

    service: ClassVar[str] = "towpath.api.v1.ArtifactService"

    def __init__(self, artifacts: Artifacts) -> None:
        self._artifacts = artifacts

    async def get_artifact(
        self, request: pb.GetArtifactRequest, caller: Caller
    ) -> pb.GetArtifactResponse:
        """Returns an artifact with its content."""
        workspace_id, artifact_id = _parsed(request.name)
        found = await self._artifacts.get(Scope(caller.tenant_id, workspace_id), artifact_id)
        return pb.GetArtifactResponse(artifact=_message(workspace_id, found))

    async def list_artifacts(
        self, request: pb.ListArtifactsRequest, caller: Caller
    ) -> pb.ListArtifactsResponse:
        """Lists artifacts, newest first."""
        scope = workspace_scope(caller, request.parent)
        run_id = _run_id(request.run, scope)

        async def read(after: tuple[str, ...], most: int) -> Sequence[Artifact]:
            query = ArtifactQuery(
                run_id=run_id,
                key=request.key,
                latest_only=request.latest_only,
                after=(int(after[0]), after[1]) if after else None,
                limit=most,
            )
            return await self._artifacts.page(scope, query)

        found, token = await read_page(
            read,
            lambda artifact: (str(artifact.created_us), artifact.artifact_id),
            caller,
            f"ListArtifacts/{request.parent}/{run_id}/{request.key}/{request.latest_only}",
            parts=2,
            size=request.page_size,
            token=request.page_token,
        )
        return pb.ListArtifactsResponse(
            artifacts=[_message(scope.workspace_id, artifact) for artifact in found],
            next_page_token=token,
        )


def _parsed(name: str) -> tuple[str, str]:
    match = _ARTIFACT.fullmatch(name)
    if match is None or not is_uuid(match[2]):
        raise invalid("name", 'must be "workspaces/{workspace}/artifacts/{uuid}"')
    return match[1], match[2]


def _run_id(name: str, scope: Scope) -> str:
    if not name:
        return ""
    workspace_id, run_id = parse_run(name, "run")
    if workspace_id != scope.workspace_id:
        raise invalid("run", "must be of the workspace that is listed")
    return run_id


def _message(workspace_id: str, artifact: Artifact) -> artifact_pb2.Artifact:
    content = Parse(artifact.content, common_pb2.Payload())
    content.size_bytes = artifact.size_bytes
    made = artifact_pb2.Artifact(
        name=f"workspaces/{workspace_id}/artifacts/{artifact.artifact_id}",
        key=artifact.key,
        kind=artifact_pb2.ArtifactKind.ValueType(artifact.kind),
        display_name=artifact.display_name,
        description=artifact.description,
        content=content,
        run=run_name(workspace_id, artifact.run_id),
        root_run=run_name(workspace_id, artifact.root_run_id),
        version=artifact.version,
    )
    set_time(made.occur_time, artifact.occurred_us)
    set_time(made.create_time, artifact.created_us)
    set_time(made.update_time, artifact.updated_us)
    return made
