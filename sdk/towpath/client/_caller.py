"""The caller as the service knows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from towpath.api.v1 import auth_service_pb2 as pb
from towpath.client._convert import last_segment, to_optional_time

if TYPE_CHECKING:
    from datetime import datetime

    from towpath.client._calls import Calls

PrincipalKind = Literal["user", "service_account", "worker", "run", "system", ""]

_KINDS: Final[dict[int, PrincipalKind]] = {
    1: "user",
    2: "service_account",
    3: "worker",
    4: "run",
    5: "system",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceGrant:
    """The caller's permissions in one workspace."""

    workspace: str
    """Id of the workspace."""
    name: str
    """Name to show."""
    permissions: tuple[str, ...]
    """Such as "run.read"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The caller as the service knows it."""

    identity: bool
    """Whether the service authenticates callers; else all is permitted."""
    principal: str
    """"users/{email}" or "serviceAccounts/{id}"."""
    kind: PrincipalKind
    name: str
    """Name to show."""
    tenant: str
    """Id of the tenant, "acme"; empty without identity."""
    tenant_id: str
    """UUID of the tenant."""
    tenant_name: str
    """Name of the tenant to show."""
    tenant_permissions: tuple[str, ...]
    """Permissions in the tenant itself, such as "workspace.create"."""
    workspace_grants: tuple[WorkspaceGrant, ...]
    """Permissions in each workspace that the caller may enter, at most 200."""
    token_expires: datetime | None
    """When the access token expires; None without identity."""
    credential_id: str
    """Public id of the API key, login or trust behind the token."""
    credential_expires: datetime | None
    """When that expires; None for never, and without identity."""


def fetch_caller(calls: Calls, *, timeout_seconds: float | None) -> Caller:
    """Asks the service for the caller.

    Args:
        calls: The connection.
        timeout_seconds: Longest wait; None for the transport's own.
    """
    answer = calls.unary(
        "AuthService/GetCaller",
        pb.GetCallerRequest(),
        pb.GetCallerResponse,
        timeout_seconds=timeout_seconds,
    )
    return _convert_caller(answer)


def _convert_caller(message: pb.GetCallerResponse) -> Caller:
    return Caller(
        identity=message.identity,
        principal=message.actor.principal,
        kind=_KINDS.get(message.actor.kind, ""),
        name=message.actor.display_name,
        tenant=last_segment(message.tenant),
        tenant_id=message.tenant_id,
        tenant_name=message.tenant_display_name,
        tenant_permissions=tuple(message.tenant_permissions),
        workspace_grants=tuple(map(_convert_grant, message.workspace_grants)),
        token_expires=to_optional_time(message, "token_expire_time"),
        credential_id=message.credential_id,
        credential_expires=to_optional_time(message, "credential_expire_time"),
    )


def _convert_grant(message: pb.WorkspaceGrant) -> WorkspaceGrant:
    return WorkspaceGrant(
        workspace=last_segment(message.workspace),
        name=message.display_name,
        permissions=tuple(message.permissions),
    )
