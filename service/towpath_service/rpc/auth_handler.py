"""AuthService, with identity and without."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from google.protobuf.timestamp_pb2 import Timestamp
from towpath.api.v1 import access_service_pb2
from towpath.api.v1 import auth_service_pb2 as pb
from towpath_auth import LOCAL_WORKSPACE_ID, RunGrant

from towpath_service.domain.errors import ServiceError
from towpath_service.domain.names import parse_run
from towpath_service.ports.bus import Scope
from towpath_service.rpc.convert_identity import to_actor

if TYPE_CHECKING:
    from towpath_auth import Caller

    from towpath_service.application.admission import Admission
    from towpath_service.application.authority import Authority
    from towpath_service.application.queries import Queries

JWKS_SECONDS: Final = 300
MOST_WORKSPACES: Final = 200


class AuthHandler:
    """Exchanges credentials, and tells callers who they are."""

    service: ClassVar[str] = "towpath.api.v1.AuthService"

    def __init__(self, authority: Authority, queries: Queries, admission: Admission) -> None:
        self._authority = authority
        self._queries = queries
        self._admission = admission

    async def exchange_token(
        self, request: pb.ExchangeTokenRequest, caller: Caller
    ) -> pb.ExchangeTokenResponse:
        """Exchanges a credential for an access token."""
        self._admission.check_address(caller.address)
        try:
            made = await self._authority.exchange(
                request.api_key, request.permissions, caller.address
            )
        except ServiceError as error:
            if error.reason.startswith("CREDENTIAL_"):
                self._admission.note_failure(caller.address)
            raise
        answer = pb.ExchangeTokenResponse(
            access_token=made.token,
            expire_time=Timestamp(seconds=made.expires_at),
            tenant_id=made.caller.tenant_id,
            actor=to_actor(made.caller),
        )
        answer.expires_in.FromSeconds(made.life_seconds)
        answer.server_time.GetCurrentTime()
        return answer

    async def get_jwks(self, request: pb.GetJwksRequest, caller: Caller) -> pb.GetJwksResponse:
        """Lists the public keys of access tokens."""
        del request, caller
        answer = pb.GetJwksResponse(
            keys=[pb.JsonWebKey(**key) for key in jwks_of(self._authority)],
            issuer=self._authority.issuer,
        )
        answer.max_age.FromSeconds(JWKS_SECONDS)
        return answer

    async def get_caller(
        self, request: pb.GetCallerRequest, caller: Caller
    ) -> pb.GetCallerResponse:
        """Tells who the caller is."""
        del request
        workspaces = caller.workspaces or {}
        answer = _caller(caller, workspaces, identity=True)
        if caller.expires_at is not None:
            answer.token_expire_time.FromMicroseconds(int(caller.expires_at * 1e6))
        return answer

    async def issue_run_token(
        self, request: pb.IssueRunTokenRequest, caller: Caller
    ) -> pb.IssueRunTokenResponse:
        """Makes a token for the process of one run."""
        workspace_id, run_id = parse_run(request.run, "run")
        run = RunGrant(workspace_id=workspace_id, run_id=run_id, attempt=request.attempt)
        found, _ = await self._queries.run(
            Scope(caller.tenant_id, workspace_id), run_id, consistency_token=""
        )
        if request.attempt < found.attempt:
            raise ServiceError(
                reason="STALE_ATTEMPT",
                message=f"attempt {found.attempt} of {request.run} has begun: start none before it",
                metadata={"run": request.run, "current_attempt": str(found.attempt)},
            )
        made = await self._authority.run_token(caller, run)
        answer = pb.IssueRunTokenResponse(access_token=made.token)
        answer.expires_in.FromSeconds(made.life_seconds)
        return answer


class LocalAuthHandler:
    """Tells callers of a service without identity that it asks nobody who they are."""

    service: ClassVar[str] = "towpath.api.v1.AuthService"

    async def get_caller(
        self, request: pb.GetCallerRequest, caller: Caller
    ) -> pb.GetCallerResponse:
        """Tells who the caller is: the one implicit principal."""
        del request
        return _caller(caller, {LOCAL_WORKSPACE_ID: ""}, identity=False)

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


def jwks_of(authority: Authority) -> list[dict[str, str]]:
    """The public keys of access tokens, as JSON Web Keys."""
    return [key.jwk for key in authority.ring.public]


async def _no_identity(request: Any, caller: Caller) -> Any:
    del request, caller
    raise ServiceError(
        reason="FEATURE_DISABLED",
        message="this server asks nobody who they are: `towpath server init-auth` changes that",
        metadata={"feature": "identity"},
    )


def _caller(caller: Caller, workspaces: Any, *, identity: bool) -> pb.GetCallerResponse:
    entered = [
        pb.WorkspaceGrant(
            workspace=f"workspaces/{workspace_id}", display_name=name, permissions=sorted(held)
        )
        for workspace_id, name in sorted(workspaces.items())
        if (held := caller.access.in_workspace(workspace_id))
    ]
    return pb.GetCallerResponse(
        actor=to_actor(caller),
        tenant_id=caller.tenant_id,
        tenant_permissions=sorted(caller.access.tenant),
        workspace_grants=entered[:MOST_WORKSPACES],
        credential_id=caller.credential_id,
        identity=identity,
    )
