"""The services of identity, where nobody is asked who they are.

Apart from those that do ask: these need no cryptography, which takes memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from towpath.api.v1 import access_service_pb2
from towpath.api.v1 import auth_service_pb2 as pb
from towpath_auth import LOCAL_WORKSPACE_ID

from towpath_service.core.errors import ServiceError
from towpath_service.identity.rpc.convert_identity import to_actor

if TYPE_CHECKING:
    from towpath_auth import Caller

MOST_WORKSPACES: Final = 200


class LocalAuthHandler:
    """Tells callers of a service without identity that it asks nobody who they are."""

    service: ClassVar[str] = "towpath.api.v1.AuthService"

    async def get_caller(
        self, request: pb.GetCallerRequest, caller: Caller
    ) -> pb.GetCallerResponse:
        """Tells who the caller is: the one implicit principal."""
        del request
        return caller_answer(caller, {LOCAL_WORKSPACE_ID: ""}, identity=False)

    async def get_sign_in_options(
        self, request: pb.GetSignInOptionsRequest, caller: Caller
    ) -> pb.GetSignInOptionsResponse:
        """Tells that nobody signs in anywhere."""
        del request, caller
        return pb.GetSignInOptionsResponse()

    def __getattr__(self, name: str) -> Any:
        return _no_identity


class LocalAccessHandler:
    """Manages nothing, where nobody is asked who they are."""

    service: ClassVar[str] = "towpath.api.v1.AccessService"

    async def test_permissions(
        self, request: access_service_pb2.TestPermissionsRequest, caller: Caller
    ) -> access_service_pb2.TestPermissionsResponse:
        """Tells that everything is permitted."""
        del caller
        return access_service_pb2.TestPermissionsResponse(permissions=request.permissions)

    def __getattr__(self, name: str) -> Any:
        return _no_identity


class LocalTenantHandler:
    """Manages nothing, where there is one tenant."""

    service: ClassVar[str] = "towpath.api.v1.TenantService"

    def __getattr__(self, name: str) -> Any:
        return _no_identity


def caller_answer(caller: Caller, workspaces: Any, *, identity: bool) -> pb.GetCallerResponse:
    """What a caller is told of itself."""
    entered = [
        pb.WorkspaceGrant(
            workspace=f"workspaces/{workspace_id}", display_name=name, permissions=sorted(held)
        )
        for workspace_id, name in sorted(workspaces.items())
        if (held := caller.access.in_workspace(workspace_id))
    ]
    return pb.GetCallerResponse(
        actor=to_actor(caller),
        tenant=caller.tenant,
        tenant_id=caller.tenant_id,
        tenant_display_name=caller.tenant_display_name,
        tenant_permissions=sorted(caller.access.tenant),
        workspace_grants=entered[:MOST_WORKSPACES],
        credential_id=caller.credential_id,
        identity=identity,
    )


async def _no_identity(request: Any, caller: Caller) -> Any:
    del request, caller
    raise ServiceError(
        reason="FEATURE_DISABLED",
        message="this server asks nobody who they are: `towpath server init-auth` changes that",
        metadata={"feature": "identity"},
    )
