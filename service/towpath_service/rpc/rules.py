"""The permission rule of each rpc, read from the contract and checked by the dispatcher."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from towpath.api.v1 import access_rule_pb2 as pb
from towpath_auth import (
    ALL_ACCESS,
    LOCAL_WORKSPACE_ID,
    PERMISSIONS,
    WORKSPACE_PERMISSIONS,
)

from towpath_service.core.errors import ServiceError, denied, not_found
from towpath_service.core.names import SLUG

if TYPE_CHECKING:
    from google.protobuf.descriptor import MethodDescriptor
    from google.protobuf.message import Message
    from towpath_auth import Caller

Level = Literal["public", "authenticated", "permission"]
Cost = Literal["read", "write", "list", "search", "exchange", "report"]

_LEVELS: Final[dict[int, Level]] = {1: "public", 2: "authenticated", 3: "permission"}
_COSTS: Final[dict[int, Cost]] = {
    0: "read",
    1: "read",
    2: "write",
    3: "list",
    4: "search",
    5: "exchange",
    6: "report",
}
_MOST_NAMED: Final = 10
_WORKSPACE: Final = re.compile(rf"workspaces/({SLUG})(?:/.*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """The permission that an rpc requires, and its audit event."""

    level: Level
    permission: str
    workspace_field: str
    """Path of the field that names a workspace or a resource in it; empty for the tenant."""
    audit: str
    """Name of its event in the audit log; empty when it isn't audited."""
    resource_field: str
    """Path of the field that names the changed resource, if it isn't the workspace's field."""
    cost: Cost


def rule_of(method: MethodDescriptor) -> Rule:
    """The rule of a method.

    Raises:
        LookupError: The contract has no valid rule for the method.
    """
    said: Any = method.GetOptions().Extensions[pb.access_rule]
    level = _LEVELS.get(said.level)
    if level is None:
        raise LookupError(f"{method.full_name} doesn't say who may call it")
    if (level == "permission") != (said.permission in PERMISSIONS):
        raise LookupError(f"{method.full_name} asks for no permission that there is")
    if bool(said.workspace_field) != (said.permission in WORKSPACE_PERMISSIONS):
        raise LookupError(f"{method.full_name} doesn't say where its permission must hold")
    return Rule(
        level=level,
        permission=said.permission,
        workspace_field=said.workspace_field,
        audit=said.audit,
        resource_field=said.resource_field,
        cost=_COSTS[said.cost],
    )


def check_method(rule: Rule, caller: Caller) -> None:
    """Refuses a caller without the permission in any workspace, before the request is parsed.

    Raises:
        ServiceError: PERMISSION_MISSING.
    """
    if rule.level != "permission" or caller.access is ALL_ACCESS:
        return
    held = (
        caller.access.anywhere(rule.permission)
        if rule.workspace_field
        else rule.permission in caller.access.tenant
    )
    if not held:
        raise denied(rule.permission, "")


def check_request(rule: Rule, caller: Caller, request: Message) -> None:
    """Refuses a caller without the permission in the requested workspace.

    Raises:
        ServiceError: PERMISSION_MISSING; or RESOURCE_NOT_FOUND when there is no such workspace and
            the caller would have had the permission there.
    """
    if not rule.workspace_field or caller.workspaces is None:
        return
    check_workspace(rule.permission, caller, field_of(request, rule.workspace_field))


def check_workspace(permission: str, caller: Caller, name: str) -> None:
    """Refuses a caller that lacks a permission in a workspace, or in all for an empty name."""
    match = _WORKSPACE.fullmatch(name)
    if match is None and name:
        # An invalid name: the handler's error shows the form.
        return
    access = caller.access
    if match is None:
        if permission not in access.everywhere or access.only is not None:
            raise denied(permission, "all workspaces")
        return
    workspace_id = match[1]
    if permission not in access.in_workspace(workspace_id):
        raise denied(permission, f"workspaces/{workspace_id}")
    if caller.workspaces is not None and workspace_id not in caller.workspaces:
        raise _no_workspace(permission, caller, workspace_id)


def _no_workspace(permission: str, caller: Caller, workspace_id: str) -> ServiceError:
    """The error for a workspace that isn't there; it names those that there are for the caller."""
    error = not_found(f"workspaces/{workspace_id}")
    allowed = caller.access.in_workspace
    names = sorted(name for name in caller.workspaces or {} if permission in allowed(name))
    if not caller.tenant:
        error.message += f": without identity, {LOCAL_WORKSPACE_ID} is the only workspace"
    elif names:
        further = len(names) - _MOST_NAMED
        named = ", ".join(names[:_MOST_NAMED]) + (f" and {further} more" if further > 0 else "")
        error.message += f": you may enter {named}"
    return error


def field_of(message: Message, path: str) -> str:
    """The text at a path of fields, "open.workspace"."""
    found: Any = message
    for name in path.split("."):
        found = getattr(found, name)
    return str(found)
