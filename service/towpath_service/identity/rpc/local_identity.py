"""The handlers of identity's services on a server without identity.

They are apart from the other handlers because they need no cryptography, which takes memory.
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
    """Describes the one implicit principal of a service without identity."""

    service: ClassVar[str] = "towpath.api.v1.AuthService"

    async def get_caller(
        self, request: pb.GetCallerRequest, caller: Caller
    ) -> pb.GetCallerResponse:
        """Returns the caller's identity: the one implicit principal."""
        del request
        return caller_answer(caller, {LOCAL_WORKSPACE_ID: ""}, identity=False)

    async def get_sign_in_options(
        self, request: pb.GetSignInOptionsRequest, caller: Caller
    ) -> pb.GetSignInOptionsResponse:
        """Reports that sign-in is off."""
        del request, caller
        return pb.GetSignInOptionsResponse()

    def __getattr__(self, name: str) -> Any:
        return _no_identity


class LocalAccessHandler:
    """Answers AccessService without identity; most of its calls are refused."""

    service: ClassVar[str] = "towpath.api.v1.AccessService"

    async def test_permissions(
        self, request: access_service_pb2.TestPermissionsRequest, caller: Caller
    ) -> access_service_pb2.TestPermissionsResponse:
        """Reports that every permission is granted."""
        del caller
        return access_service_pb2.TestPermissionsResponse(permissions=request.permissions)

    def __getattr__(self, name: str) -> Any:
        return _no_identity


class LocalTenantHandler:
    """Refuses TenantService without identity, where there is one tenant."""

    service: ClassVar[str] = "towpath.api.v1.TenantService"

    def __getattr__(self, name: str) -> Any:
        return _no_identity


def caller_answer(caller: Caller, workspaces: Any, *, identity: bool) -> pb.GetCallerResponse:
    """The description of a caller, as GetCaller returns it."""
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
        message="identity is off on this server: run `towpath server init-auth` to turn it on",
        metadata={"feature": "identity"},
    )
