"""Resolves names of workspaces and runs in a request to scopes; used by the handlers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath_service.core.names import Scope, parse_run, parse_workspace

if TYPE_CHECKING:
    from towpath_auth import Caller


def workspace_scope(caller: Caller, name: str, field: str = "parent") -> Scope:
    """The scope of a workspace's name in the caller's tenant.

    Args:
        caller: The caller; its tenant is that of the scope.
        name: "workspaces/{workspace}".
        field: The field of the name in the request, for the error.

    Raises:
        ServiceError: INVALID_REQUEST: the name isn't a workspace's.
    """
    return Scope(caller.tenant_id, parse_workspace(name, field))


def run_scope(caller: Caller, name: str, field: str) -> tuple[Scope, str]:
    """The scope and run id of a run's name; raises as `workspace_scope`."""
    workspace_id, run_id = parse_run(name, field)
    return Scope(caller.tenant_id, workspace_id), run_id
