"""Reads and changes what a service holds: runs, deployments, secrets, members, keys and more."""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from towpath._prefect_names.refusals import refuse

if TYPE_CHECKING:
    from towpath.client._artifacts import Artifact, Artifacts
    from towpath.client._audit import Audit, AuditEntry, AuditPage
    from towpath.client._backfills import Backfill, Backfills
    from towpath.client._caller import Caller, WorkspaceGrant
    from towpath.client._client import Client
    from towpath.client._code_sources import (
        ArchiveCode,
        CodeSource,
        GitCode,
        LocalCode,
        PackageCode,
    )
    from towpath.client._connect import connect
    from towpath.client._deployments import DeploymentInfo, Deployments, DeploymentSpec
    from towpath.client._keys import ApiKey, Keys, NewApiKey
    from towpath.client._limits import Limit, LimitHolder, Limits
    from towpath.client._members import NewUser, ServiceAccount, ServiceAccounts, User, Users
    from towpath.client._pools import Pools, WorkPool
    from towpath.client._queues import Queues, WorkQueue
    from towpath.client._retries import Step
    from towpath.client._roles import Role, RoleBinding, Roles
    from towpath.client._run_control import Cancellation, Explanation, Reason
    from towpath.client._run_inputs import SentInput
    from towpath.client._run_values import (
        Decision,
        Failure,
        FlowSummary,
        GraphNode,
        LogLine,
        Pause,
        Run,
        RunEvent,
        Transition,
    )
    from towpath.client._schedules import ScheduleInfo, Schedules, ScheduleSlot
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
    from towpath.client._variables import VariableInfo, Variables
    from towpath.client._workers import Worker, Workers
    from towpath.client._workspaces import Workspace, Workspaces

__all__ = [
    "ApiKey",
    "ArchiveCode",
    "Artifact",
    "Artifacts",
    "Audit",
    "AuditEntry",
    "AuditPage",
    "Backfill",
    "Backfills",
    "Caller",
    "Cancellation",
    "ClaimRule",
    "Client",
    "CodeSource",
    "Decision",
    "DeploymentInfo",
    "DeploymentSpec",
    "Deployments",
    "DeviceSignIn",
    "Explanation",
    "Failure",
    "FlowSummary",
    "GitCode",
    "GraphNode",
    "Keys",
    "Limit",
    "LimitHolder",
    "Limits",
    "LocalCode",
    "LogLine",
    "Login",
    "NewApiKey",
    "NewTenant",
    "NewUser",
    "PackageCode",
    "Pause",
    "Pools",
    "Queues",
    "Reason",
    "Role",
    "RoleBinding",
    "Roles",
    "Run",
    "RunEvent",
    "ScheduleInfo",
    "ScheduleSlot",
    "Schedules",
    "SecretInfo",
    "Secrets",
    "SentInput",
    "ServerInfo",
    "ServiceAccount",
    "ServiceAccounts",
    "SignInOptions",
    "SignIns",
    "Step",
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
    "VariableInfo",
    "Variables",
    "WaitingSignIn",
    "WorkPool",
    "WorkQueue",
    "Worker",
    "Workers",
    "Workspace",
    "WorkspaceGrant",
    "Workspaces",
    "connect",
]

_HOMES: Final = {
    "ApiKey": "_keys",
    "ArchiveCode": "_code_sources",
    "Artifact": "_artifacts",
    "Artifacts": "_artifacts",
    "Audit": "_audit",
    "AuditEntry": "_audit",
    "AuditPage": "_audit",
    "Backfill": "_backfills",
    "Backfills": "_backfills",
    "Caller": "_caller",
    "Cancellation": "_run_control",
    "ClaimRule": "_trusts",
    "Client": "_client",
    "CodeSource": "_code_sources",
    "Decision": "_run_values",
    "DeploymentInfo": "_deployments",
    "DeploymentSpec": "_deployments",
    "Deployments": "_deployments",
    "DeviceSignIn": "_sign_in",
    "Explanation": "_run_control",
    "Failure": "_run_values",
    "FlowSummary": "_run_values",
    "GitCode": "_code_sources",
    "GraphNode": "_run_values",
    "Keys": "_keys",
    "Limit": "_limits",
    "LimitHolder": "_limits",
    "Limits": "_limits",
    "LocalCode": "_code_sources",
    "LogLine": "_run_values",
    "Login": "_sign_in",
    "NewApiKey": "_keys",
    "NewTenant": "_tenants",
    "NewUser": "_members",
    "PackageCode": "_code_sources",
    "Pause": "_run_values",
    "Pools": "_pools",
    "Queues": "_queues",
    "Reason": "_run_control",
    "Role": "_roles",
    "RoleBinding": "_roles",
    "Roles": "_roles",
    "Run": "_run_values",
    "RunEvent": "_run_values",
    "ScheduleInfo": "_schedules",
    "ScheduleSlot": "_schedules",
    "Schedules": "_schedules",
    "SecretInfo": "_secrets",
    "Secrets": "_secrets",
    "SentInput": "_run_inputs",
    "ServerInfo": "_server",
    "ServiceAccount": "_members",
    "ServiceAccounts": "_members",
    "SignInOptions": "_sign_in",
    "SignIns": "_sign_in",
    "Step": "_retries",
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
    "VariableInfo": "_variables",
    "Variables": "_variables",
    "WaitingSignIn": "_sign_in",
    "WorkPool": "_pools",
    "WorkQueue": "_queues",
    "Worker": "_workers",
    "Workers": "_workers",
    "Workspace": "_workspaces",
    "WorkspaceGrant": "_caller",
    "Workspaces": "_workspaces",
    "connect": "_connect",
}
"""The module of each name: loaded when the name is first used, since most commands need few."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        refuse(__name__, name, sys._getframe(1))  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - documented
    value = getattr(import_module(f"towpath.client.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
