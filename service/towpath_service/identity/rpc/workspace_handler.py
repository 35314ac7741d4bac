"""The rpcs of AccessService about workspaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from towpath.api.v1 import access_service_pb2 as pb

from towpath_service.identity.rpc import convert_identity
from towpath_service.rpc.paging import page_of

if TYPE_CHECKING:
    from towpath_auth import Caller

    from towpath_service.identity.application.members import Members


class WorkspaceHandler:
    """Manages workspaces."""

    service: ClassVar[str] = "towpath.api.v1.AccessService"

    def __init__(self, members: Members) -> None:
        self._members = members

    async def create_workspace(
        self, request: pb.CreateWorkspaceRequest, caller: Caller
    ) -> pb.CreateWorkspaceResponse:
        """Makes a workspace."""
        made = await self._members.create_workspace(
            caller, request.workspace_id, request.display_name
        )
        return pb.CreateWorkspaceResponse(workspace=convert_identity.to_workspace(made))

    async def list_workspaces(
        self, request: pb.ListWorkspacesRequest, caller: Caller
    ) -> pb.ListWorkspacesResponse:
        """Lists the workspaces that the caller has access to."""
        found, token = page_of(
            await self._members.workspaces(caller),
            caller,
            "ListWorkspaces",
            size=request.page_size,
            token=request.page_token,
        )
        return pb.ListWorkspacesResponse(
            workspaces=map(convert_identity.to_workspace, found), next_page_token=token
        )

    async def delete_workspace(
        self, request: pb.DeleteWorkspaceRequest, caller: Caller
    ) -> pb.DeleteWorkspaceResponse:
        """Removes an empty workspace."""
        await self._members.delete_workspace(caller, request.name)
        return pb.DeleteWorkspaceResponse()
