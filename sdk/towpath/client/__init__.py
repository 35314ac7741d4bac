"""Reads and changes what a service holds: runs, secrets, members, keys, tenants and more."""

from towpath.client._audit import Audit, AuditEntry, AuditPage
from towpath.client._client import Client
from towpath.client._connect import connect
from towpath.client._keys import ApiKey, Keys, NewApiKey
from towpath.client._members import NewUser, ServiceAccount, ServiceAccounts, User, Users
from towpath.client._roles import Role, RoleBinding, Roles
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
    Caller,
    DeviceSignIn,
    Login,
    SignInOptions,
    SignIns,
    WaitingSignIn,
    WorkspaceGrant,
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
    "ClaimRule",
    "Client",
    "Decision",
    "DeviceSignIn",
    "Failure",
    "FlowSummary",
    "GraphNode",
    "Keys",
    "LogLine",
    "Login",
    "NewApiKey",
    "NewTenant",
    "NewUser",
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
