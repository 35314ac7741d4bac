"""Reads artifacts of runs; used by their handler."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath_service.core.errors import not_found

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath_service.core.names import Scope
    from towpath_service.runs.domain.runs import Artifact
    from towpath_service.runs.ports.reads import ArtifactQuery, ReadStore


class Artifacts:
    """The artifacts of all runs of one installation."""

    def __init__(self, store: ReadStore) -> None:
        self._store = store

    async def get(self, scope: Scope, artifact_id: str) -> Artifact:
        """An artifact with its content; raises RESOURCE_NOT_FOUND."""
        found = await self._store.read(
            scope.tenant_id, lambda reads: reads.artifact(scope, artifact_id)
        )
        if found is None:
            raise not_found(f"workspaces/{scope.workspace_id}/artifacts/{artifact_id}")
        return found

    async def page(self, scope: Scope, query: ArtifactQuery) -> Sequence[Artifact]:
        """A page of artifacts, newest first, without their contents."""
        return await self._store.read(scope.tenant_id, lambda reads: reads.artifacts(scope, query))
