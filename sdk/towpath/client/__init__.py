"""Reads and changes what a service holds: runs, secrets, members, keys, tenants and more."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from towpath.client._audit import Audit, AuditEntry, AuditPage
    from towpath.client._caller import Caller, WorkspaceGrant
    from towpath.client._client import Client
    from towpath.client._connect import connect
    from towpath.client._keys import ApiKey, Keys, NewApiKey
    from towpath.client._members import NewUser, ServiceAccount, ServiceAccounts, User, Users
    from towpath.client._roles import Role, RoleBinding, Roles
    from towpath.client._run_control import Cancellation, Explanation, Reason
    from towpath.client._run_values import (
        Decision,
        Failure,
        FlowSummary,
        GraphNode,
        LogLine,
        Run,
        RunEvent,
        Transition,
    )
    from towpath.client._secrets import SecretInfo, Secrets
    from towpath.client._server import ServerInfo
    from towpath.client._sign_in import (
        DeviceSignIn,
        Login,
        SignInOptions,
        SignIns,
        WaitingSignIn,
    )
    from towpath.client._tenants import NewTenant, Tenant, TenantLimits, Tenants, TenantUsage, Usage
    from towpath.client._trusts import ClaimRule, Trust, Trusts, UserTrust
    from towpath.client._workspaces import Workspace, Workspaces

__all__ = [
    "ApiKey",
    "Audit",
    "AuditEntry",
    "AuditPage",
    "Caller",
    "Cancellation",
    "ClaimRule",
    "Client",
    "Decision",
    "DeviceSignIn",
    "Explanation",
    "Failure",
    "FlowSummary",
    "GraphNode",
    "Keys",
    "LogLine",
    "Login",
    "NewApiKey",
    "NewTenant",
    "NewUser",
    "Reason",
    "Role",
    "RoleBinding",
    "Roles",
    "Run",
    "RunEvent",
    "SecretInfo",
    "Secrets",
    "ServerInfo",
    "ServiceAccount",
    "ServiceAccounts",
    "SignInOptions",
    "SignIns",
    "Tenant",
    "TenantLimits",
    "TenantUsage",
    "Tenants",
    "Transition",
    "Trust",
    "Trusts",
    "Usage",
    "User",
    "UserTrust",
    "Users",
    "WaitingSignIn",
    "Workspace",
    "WorkspaceGrant",
    "Workspaces",
    "connect",
]

_HOMES: Final = {
    "ApiKey": "_keys",
    "Audit": "_audit",
    "AuditEntry": "_audit",
    "AuditPage": "_audit",
    "Caller": "_caller",
    "Cancellation": "_run_control",
    "ClaimRule": "_trusts",
    "Client": "_client",
    "Decision": "_run_values",
    "DeviceSignIn": "_sign_in",
    "Explanation": "_run_control",
    "Failure": "_run_values",
    "FlowSummary": "_run_values",
    "GraphNode": "_run_values",
    "Keys": "_keys",
    "LogLine": "_run_values",
    "Login": "_sign_in",
    "NewApiKey": "_keys",
    "NewTenant": "_tenants",
    "NewUser": "_members",
    "Reason": "_run_control",
    "Role": "_roles",
    "RoleBinding": "_roles",
    "Roles": "_roles",
    "Run": "_run_values",
    "RunEvent": "_run_values",
    "SecretInfo": "_secrets",
    "Secrets": "_secrets",
    "ServerInfo": "_server",
    "ServiceAccount": "_members",
    "ServiceAccounts": "_members",
    "SignInOptions": "_sign_in",
    "SignIns": "_sign_in",
    "Tenant": "_tenants",
    "TenantLimits": "_tenants",
    "TenantUsage": "_tenants",
    "Tenants": "_tenants",
    "Transition": "_run_values",
    "Trust": "_trusts",
    "Trusts": "_trusts",
    "Usage": "_tenants",
    "User": "_members",
    "UserTrust": "_trusts",
    "Users": "_members",
    "WaitingSignIn": "_sign_in",
    "Workspace": "_workspaces",
    "WorkspaceGrant": "_caller",
    "Workspaces": "_workspaces",
    "connect": "_connect",
}
"""The module of each name: loaded when the name is first used, since most commands need few."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'towpath.client' has no attribute {name!r}")
    value = getattr(import_module(f"towpath.client.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
