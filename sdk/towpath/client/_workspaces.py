"""Workspaces of the caller's tenant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from towpath.api.v1 import access_service_pb2 as pb
from towpath.client._calls import PAGE, Subject
from towpath.client._convert import last_segment, to_time, workspace_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """A part of a tenant with runs, secrets and permissions of its own."""

    id: str
    """Its id, "team-a"."""
    name: str
    """Name to show."""
    created: datetime


class Workspaces(Subject):
    """Creates, lists and deletes workspaces.

    Every method raises `towpath.exceptions.RpcError`, or one of its kinds, when the service can't
    be reached or refuses.
    """

    def create(self, id_: str, *, name: str = "") -> Workspace:
        """Creates a workspace.

        Args:
            id_: Id of the new workspace: 1 to 63 of a-z, 0-9 and -.
            name: Name to show, at most 255 characters.

        Returns:
            The workspace as created.

        Raises:
            Conflict: A workspace has this id.
        """
        request = pb.CreateWorkspaceRequest(workspace_id=id_, display_name=name)
        answer = self._calls.unary(
            "AccessService/CreateWorkspace", request, pb.CreateWorkspaceResponse
        )
        return _convert_workspace(answer.workspace)

    def list(self) -> Iterator[Workspace]:
        """Lists the workspaces that the caller may enter, by name.

        Returns:
            The workspaces, fetched page by page.
        """
        request = pb.ListWorkspacesRequest(page_size=PAGE)
        for page in self._calls.pages(
            "AccessService/ListWorkspaces", request, pb.ListWorkspacesResponse
        ):
            yield from map(_convert_workspace, page.workspaces)

    def delete(self, workspace: str) -> None:
        """Deletes an empty workspace.

        Args:
            workspace: Its id.

        Raises:
            NotFound: No workspace has this id.
            Conflict: It holds runs or secrets.
        """
        request = pb.DeleteWorkspaceRequest(name=workspace_name(workspace))
        self._calls.unary("AccessService/DeleteWorkspace", request, pb.DeleteWorkspaceResponse)


def _convert_workspace(message: pb.Workspace) -> Workspace:
    return Workspace(
        id=last_segment(message.name),
        name=message.display_name,
        created=to_time(message.create_time),
    )
