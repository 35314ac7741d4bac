"""The permissions, and the built-in roles of every tenant.

A permission holds in the tenant itself or in workspaces. A role bound to a whole tenant holds in
all of its workspaces, including those made later. tests/unit/auth/roles.csv is the same table for
people: widening a role is a change there, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

TENANT_PERMISSIONS: Final[Mapping[str, str]] = {
    "tenant.read": "See the tenant and its workspaces.",
    "usage.read": "See what the tenant uses of its limits.",
    "member.read": "See users, service accounts, roles and who has which.",
    "member.manage": "Add and remove users; give them roles that one has, and keys.",
    "owner.grant": "Make and unmake owners.",
    "role.manage": "Make and delete custom roles.",
    "serviceaccount.manage": "Add and remove service accounts, their roles and their keys.",
    "key.own": "Make, rotate and revoke keys of one's own.",
    "key.rotate": "Rotate keys of one's own.",
    "key.manage": "Revoke anybody's keys.",
    "trust.manage": "Trust issuers of tokens that are not this service, and cease to.",
    "audit.read": "Read the audit log.",
    "workspace.create": "Make workspaces.",
    "workspace.delete": "Delete workspaces.",
}
WORKSPACE_PERMISSIONS: Final[Mapping[str, str]] = {
    "workspace.update": "Change a workspace's description.",
    "access.manage": "Give others roles in a workspace.",
    "flow.read": "See flows.",
    "run.read": "See runs, their history and graph, and watch them.",
    "run.create": "Create runs of deployments, and backfills.",
    "run.control": "Cancel, pause and resume runs.",
    "run.delete": "Delete runs.",
    "run.report": "Report runs and what becomes of them.",
    "log.read": "Read log lines.",
    "log.write": "Send log lines.",
    "secret.read": "See which secrets there are, never their values.",
    "secret.write": "Make, change and delete secrets.",
    "secret.use": "Read values of secrets: for what runs pipelines, never for people.",
    "artifact.read": "See what runs have made for people to look at.",
    "variable.read": "Read variables.",
    "variable.write": "Set and delete variables.",
    "deployment.read": "See deployments, schedules and backfills.",
    "deployment.write": "Make, change and delete deployments and schedules.",
    "pool.read": "See work pools, queues and workers.",
    "pool.write": "Make, change and delete work pools and queues; drain workers.",
    "limit.read": "See limits, and what holds their slots or waits for them.",
    "limit.write": "Set and delete limits, and take slots from their holders.",
    "limit.acquire": "Acquire slots of limits.",
    "work.lease": "Start runs of others, and hand each a token of its own: never for people.",
}
PLATFORM_PERMISSIONS: Final[Mapping[str, str]] = {
    "platform.manage": "Make, limit, suspend and resume tenants. Of the first tenant only.",
}
PERMISSIONS: Final[Mapping[str, str]] = {
    **TENANT_PERMISSIONS,
    **WORKSPACE_PERMISSIONS,
    **PLATFORM_PERMISSIONS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A set of permissions with a name."""

    role_id: str
    display_name: str
    permissions: frozenset[str]
    built_in: bool = False


_MEMBER: Final = frozenset({"tenant.read", "member.read", "key.own"})
MEMBER_PERMISSIONS: Final = _MEMBER | {"key.rotate", "usage.read"}
"""The only permissions in the tenant that a role in one of its workspaces can bring."""

_SEEING_WORK: Final = frozenset({"deployment.read", "pool.read", "limit.read"})
_READING: Final = frozenset({"variable.read"})
_VIEWER: Final = (
    frozenset({"flow.read", "run.read", "log.read", "artifact.read"}) | _SEEING_WORK | _READING
)
_REPORTING: Final = frozenset({"run.report", "log.write"})
_ROTATING: Final = frozenset({"key.rotate"})
_SETTING: Final = frozenset({"secret.read", "secret.write", "variable.write"})
_USING: Final = frozenset({"secret.use"})
_DEPLOYING: Final = frozenset({"deployment.write"})
_OPERATING: Final = frozenset({"run.create", "run.control"})
_ACQUIRING: Final = frozenset({"limit.acquire"})
_LIMITING: Final = frozenset({"limit.write"}) | _ACQUIRING
_WORKSPACE_ADMIN: Final = (
    _VIEWER
    | _REPORTING
    | _SETTING
    | _DEPLOYING
    | _OPERATING
    | _LIMITING
    | {"pool.write", "run.delete", "workspace.update", "access.manage"}
)
_ADMIN: Final = frozenset(TENANT_PERMISSIONS) - {"owner.grant", "key.rotate"} | _WORKSPACE_ADMIN

_AUDITED: Final = frozenset({"audit.read", "usage.read", "flow.read", "secret.read"}) | _SEEING_WORK

MACHINE_PERMISSIONS: Final = frozenset({"work.lease", "key.rotate", "secret.use"})
"""Permissions for machines, which a manager of access may grant without having them."""

NOT_FOR_PEOPLE: Final = _USING | {"work.lease"}
"""Permissions that no role gives to a person: reading values of secrets, or handing out tokens that
can."""

RUN_PERMISSIONS: Final = _REPORTING | _READING | _USING | _OPERATING | _ACQUIRING
"""The permissions of a run, while the worker that started it has "work.lease" in its workspace.

The run reports itself and the runs below it, uses its workspace's secrets and reads its
variables, acquires slots of its limits, creates runs below itself, and cancels, pauses and resumes
them.
"""


def _built_in(role_id: str, display_name: str, permissions: frozenset[str]) -> Role:
    return Role(role_id=role_id, display_name=display_name, permissions=permissions, built_in=True)


BUILT_IN_ROLES: Final[Mapping[str, Role]] = {
    role.role_id: role
    for role in (
        _built_in("owner", "Owner", _ADMIN | {"owner.grant"}),
        _built_in("admin", "Administrator", _ADMIN),
        _built_in("auditor", "Auditor", _MEMBER | _AUDITED),
        _built_in("member", "Member", _MEMBER),
        _built_in(
            "workspace-admin",
            "Workspace administrator",
            _MEMBER | _WORKSPACE_ADMIN | {"usage.read"},
        ),
        _built_in(
            "developer",
            "Developer",
            _MEMBER
            | _VIEWER
            | _REPORTING
            | _SETTING
            | _DEPLOYING
            | _OPERATING
            | _LIMITING
            | {"usage.read"},
        ),
        _built_in(
            "operator",
            "Operator",
            _MEMBER | _VIEWER | _OPERATING | {"usage.read", "secret.read"},
        ),
        _built_in("viewer", "Viewer", _MEMBER | _VIEWER),
        _built_in(
            "runner",
            "Runner of pipelines",
            _VIEWER | _REPORTING | _ROTATING | _USING | _ACQUIRING | {"run.create"},
        ),
        _built_in(
            "deployer",
            "Deployer",
            frozenset({"flow.read", "run.read"})
            | _SEEING_WORK
            | _READING
            | _DEPLOYING
            | _SETTING
            | _ROTATING,
        ),
        _built_in(
            "worker",
            "Worker",
            frozenset({"flow.read", "run.read", "work.lease"}) | _SEEING_WORK | _ROTATING,
        ),
        _built_in(
            "platform-admin", "Operator of the installation", frozenset(PLATFORM_PERMISSIONS)
        ),
    )
}
"""Roles that every tenant has and no tenant can change, by id."""
