"""Artifacts of runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from towpath.api.v1 import artifact_pb2
from towpath.api.v1 import artifact_service_pb2 as pb
from towpath.client._calls import PAGE, Subject
from towpath.client._convert import last_segment, to_time
from towpath.exceptions import NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

_KIND: Final = "ARTIFACT_KIND_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """Something that a run made for people to look at."""

    id: str
    """Its id, a UUID."""
    workspace: str
    """Id of its workspace."""
    key: str
    """Key that its versions share; empty for none."""
    version: int
    """Version among those of the same key, from 1; 0 without a key."""
    kind: str
    """Its kind, "markdown", "table", "link", "image" or "progress"."""
    title: str
    """Title; of a link, its text."""
    description: str
    run: str
    """Id of the run that made it."""
    root_run: str
    """Id of the run at the top of that run's tree."""
    size_bytes: int
    content: str
    """Markdown, JSON of a table or a number, or an address; empty in lists."""
    made: datetime
    """When it was made, by the clock of its process."""
    changed: datetime
    """When its content was last replaced, or recorded."""

    @property
    def resource_name(self) -> str:
        """The resource name, "workspaces/{workspace}/artifacts/{id}"."""
        return f"workspaces/{self.workspace}/artifacts/{self.id}"


class Artifacts(Subject):
    """Lists and reads artifacts of the client's workspace.

    Runs make them with `towpath.artifacts`. Every method raises `towpath.exceptions.RpcError`, or
    one of its kinds, when the service can't be reached or refuses.
    """

    def list(
        self, *, run: str = "", key: str = "", latest_only: bool = False
    ) -> Iterator[Artifact]:
        """Lists artifacts, newest first, without their contents.

        Args:
            run: Full id of a run: only its artifacts and, of a root run, those of its tree.
            key: Only those of this key.
            latest_only: Only the newest version of each key, and those without a key.

        Returns:
            The artifacts, fetched page by page.
        """
        request = pb.ListArtifactsRequest(
            parent=self._parent,
            page_size=PAGE,
            run=f"{self._parent}/runs/{run}" if run else "",
            key=key,
            latest_only=latest_only,
        )
        for page in self._calls.pages(
            "ArtifactService/ListArtifacts", request, pb.ListArtifactsResponse
        ):
            yield from map(_convert_artifact, page.artifacts)

    def get(self, id_: str) -> Artifact:
        """Returns an artifact with its content.

        Args:
            id_: Its id, a UUID.

        Raises:
            NotFound: There is no such artifact.
        """
        request = pb.GetArtifactRequest(name=f"{self._parent}/artifacts/{id_}")
        answer = self._calls.unary("ArtifactService/GetArtifact", request, pb.GetArtifactResponse)
        return _convert_artifact(answer.artifact)

    def latest(self, key: str) -> Artifact:
        """Returns the newest version of a key with its content.

        Args:
            key: The key.

        Raises:
            NotFound: No artifact has this key.
        """
        found = next(self.list(key=key, latest_only=True), None)
        if found is None:
            raise NotFound(
                f"no artifact has the key {key!r}",
                code="NOT_FOUND",
                reason="RESOURCE_NOT_FOUND",
                metadata={"resource": f"{self._parent}/artifacts/{key}"},
            )
        return self.get(found.id)


def _convert_artifact(message: artifact_pb2.Artifact) -> Artifact:
    _, workspace, _, id_ = message.name.split("/")
    content = message.content
    return Artifact(
        id=id_,
        workspace=workspace,
        key=message.key,
        version=message.version,
        kind=artifact_pb2.ArtifactKind.Name(message.kind).removeprefix(_KIND).lower(),
        title=message.display_name,
        description=message.description,
        run=last_segment(message.run),
        root_run=last_segment(message.root_run),
        size_bytes=content.size_bytes,
        content=content.uri or content.data.decode(errors="replace"),
        made=to_time(message.occur_time),
        changed=to_time(message.update_time),
    )
