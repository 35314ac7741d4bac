"""What the conversions of several subjects share: times and resource names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from google.protobuf.duration_pb2 import Duration

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from google.protobuf.timestamp_pb2 import Timestamp


def to_time(moment: Timestamp) -> datetime:
    """A time, aware and in UTC."""
    return moment.ToDatetime(UTC)


def to_optional_time(message: Message, field: str) -> datetime | None:
    """A time of a message; None when it isn't set."""
    if not message.HasField(field):
        return None
    moment: Timestamp = getattr(message, field)
    return to_time(moment)


def from_span(span: timedelta | None) -> Duration | None:
    """A span of time as the contract has it."""
    if span is None:
        return None
    message = Duration()
    message.FromTimedelta(span)
    return message


def last_segment(name: str) -> str:
    """The id at the end of a resource name: "team-a" of "workspaces/team-a"."""
    return name.rpartition("/")[2]


def workspace_name(workspace: str | None) -> str:
    """The resource name of a workspace, given by id or by that name; empty for none."""
    return f"workspaces/{workspace.removeprefix('workspaces/')}" if workspace else ""


def tenant_name(tenant: str) -> str:
    """The resource name of a tenant, given by id or by that name."""
    return f"tenants/{tenant.removeprefix('tenants/')}"


def role_name(role: str | None) -> str:
    """The resource name of a role, given by id or by that name; empty for none."""
    return f"roles/{role.removeprefix('roles/')}" if role else ""


def trust_name(trust: str) -> str:
    """The resource name of a trust, given by id or by that name."""
    return f"trusts/{trust.removeprefix('trusts/')}"


def principal_name(principal: str | None) -> str:
    """The resource name of a principal; empty for none.

    Args:
        principal: E-mail address of a user, id of a service account, or the resource name.
    """
    if not principal or "/" in principal:
        return principal or ""
    return f"users/{principal}" if "@" in principal else f"serviceAccounts/{principal}"


def deployment_name(workspace: str, deployment: str) -> str:
    """The resource name of a deployment.

    Args:
        workspace: Id of its workspace.
        deployment: "flow/deployment", or that resource name.
    """
    if deployment.startswith("workspaces/"):
        return deployment
    flow, _, id_ = deployment.partition("/")
    return f"workspaces/{workspace}/flows/{flow}/deployments/{id_}"
