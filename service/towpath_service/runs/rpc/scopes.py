"""Which workspace, or run, the names in a request mean for its caller."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath_service.core.names import Scope, parse_run, parse_workspace

if TYPE_CHECKING:
    from towpath_auth import Caller


def workspace_scope(caller: Caller, name: str, field: str = "parent") -> Scope:
    """The scope that a workspace's name means for a caller.

    Args:
        caller: Whose tenant it is in.
        name: "workspaces/{workspace}".
        field: Where the name is in the request, for the refusal.

    Raises:
        ServiceError: INVALID_REQUEST: it is no such name.
    """
    return Scope(caller.tenant_id, parse_workspace(name, field))


def run_scope(caller: Caller, name: str, field: str) -> tuple[Scope, str]:
    """The scope and run id that a run's name means for a caller; raises as `workspace_scope`."""
    workspace_id, run_id = parse_run(name, field)
    return Scope(caller.tenant_id, workspace_id), run_id
