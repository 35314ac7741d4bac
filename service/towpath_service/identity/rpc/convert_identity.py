"""Converts identity's values into the contract's messages; used by its handlers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from towpath.api.v1 import access_service_pb2 as pb
from towpath.api.v1 import common_pb2, tenant_service_pb2

from towpath_service.core.errors import invalid
from towpath_service.rpc.times import set_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from google.protobuf.field_mask_pb2 import FieldMask
    from towpath_auth import Caller, Role
    from towpath_auth.audit import AuditRecord

    from towpath_service.identity.domain.principals import (
        Binding,
        CredentialKind,
        Principal,
        StoredKey,
        Tenant,
        WorkspaceEntry,
    )

_CREDENTIALS: Final[Mapping[CredentialKind, Any]] = {"api_key": 1, "sign_in": 2, "trust": 3}
QUOTAS: Final = tuple(tenant_service_pb2.TenantQuotas.DESCRIPTOR.fields_by_name)


def to_actor(caller: Caller) -> common_pb2.Actor:
    """A caller as the contract's Actor."""
    kinds: Any = {"users": 1, "serviceAccounts": 2, "runs": 4}
    return common_pb2.Actor(
        principal=caller.principal,
        kind=kinds.get(caller.principal.partition("/")[0], 0),
        display_name=caller.display_name,
    )


def to_workspace(entry: WorkspaceEntry) -> pb.Workspace:
    """A workspace."""
    answer = pb.Workspace(name=f"workspaces/{entry.workspace_id}", display_name=entry.display_name)
    set_time(answer.create_time, entry.created_us)
    return answer


def to_user(principal: Principal) -> pb.User:
    """A user."""
    answer = pb.User(
        name=principal.name, uid=principal.principal_id, display_name=principal.display_name
    )
    set_time(answer.create_time, principal.created_us)
    return answer


def to_service_account(principal: Principal) -> pb.ServiceAccount:
    """A service account."""
    answer = pb.ServiceAccount(
        name=principal.name, uid=principal.principal_id, display_name=principal.display_name
    )
    set_time(answer.create_time, principal.created_us)
    return answer


def to_api_key(key: StoredKey, owner: Principal) -> pb.ApiKey:
    """An API key, without the key."""
    answer = pb.ApiKey(
        name=f"{owner.name}/apiKeys/{key.key_id}",
        display_name=key.display_name,
        key_id=key.key_id,
        limits=pb.ApiKeyLimits(
            permissions=sorted(key.scopes or ()),
            workspaces=_workspaces(sorted(key.workspaces or ())),
        ),
        creator=key.created_by,
        replaced_by=key.replaced_by or "",
        kind=_CREDENTIALS[key.kind],
    )
    set_time(answer.create_time, key.created_us)
    for field, at_us in (
        (answer.expire_time, key.expires_us),
        (answer.use_time, key.used_us),
        (answer.revoke_time, key.revoked_us),
    ):
        if at_us is not None:
            set_time(field, at_us)
    return answer


def to_role(role: Role) -> pb.Role:
    """A role."""
    return pb.Role(
        name=f"roles/{role.role_id}",
        display_name=role.display_name,
        permissions=sorted(role.permissions),
        built_in=role.built_in,
    )


def to_binding(binding: Binding, principal: Principal) -> pb.RoleBinding:
    """A role binding."""
    answer = pb.RoleBinding(
        role=f"roles/{binding.role_id}",
        principal=principal.name,
        workspace=f"workspaces/{binding.workspace_id}" if binding.workspace_id else "",
        creator=binding.created_by,
    )
    set_time(answer.create_time, binding.created_us)
    return answer


def to_tenant(tenant: Tenant) -> tenant_service_pb2.Tenant:
    """A tenant."""
    quotas: Any = dict(tenant.quotas)
    state: Any = 2 if tenant.suspended else 1
    answer = tenant_service_pb2.Tenant(
        name=tenant.name,
        uid=tenant.tenant_id,
        display_name=tenant.display_name,
        state=state,
        quotas=tenant_service_pb2.TenantQuotas(**quotas),
    )
    set_time(answer.create_time, tenant.created_us)
    return answer


def to_audit_entry(record: AuditRecord, hash_: str) -> pb.AuditEntry:
    """An entry of the audit log."""
    return pb.AuditEntry(
        sequence=record.sequence,
        record_time_us=record.recorded_us,
        actor=record.actor,
        credential_id=record.credential_id,
        action=record.action,
        method=record.method,
        resource=record.resource,
        outcome=record.outcome,
        reason=record.reason,
        client_address=record.address,
        trace_id=record.trace_id,
        request_json=record.request,
        hash=hash_,
    )


def quotas_of(message: tenant_service_pb2.TenantQuotas) -> dict[str, int]:
    """The limits that a message sets, by name."""
    return {name: getattr(message, name) for name in QUOTAS if getattr(message, name)}


def quota_names(mask: FieldMask) -> list[str]:
    """The limits that a mask names; raises INVALID_REQUEST for an unknown one."""
    unknown = sorted(set(mask.paths) - set(QUOTAS))
    if unknown:
        raise invalid(
            "update_mask", f"{unknown[0]!r} is no limit: there are {', '.join(sorted(QUOTAS))}"
        )
    return list(mask.paths)


def _workspaces(ids: Iterable[str]) -> list[str]:
    return [f"workspaces/{workspace_id}" for workspace_id in ids]
