"""AccessService and TenantService."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from towpath.api.v1 import access_service_pb2 as pb
from towpath.api.v1 import tenant_service_pb2

from towpath_service.core.tenant_limits import DEFAULTS, limit_of
from towpath_service.core.tokens import make_token, read_number
from towpath_service.identity.application.api_keys import NewKey
from towpath_service.identity.application.members import NewUser
from towpath_service.identity.domain.principals import BindingPlace, parse_named, parse_principal
from towpath_service.identity.rpc import convert_identity as convert
from towpath_service.identity.rpc.convert_trusts import from_trust, to_trust
from towpath_service.rpc.paging import page_of, read_page
from towpath_service.rpc.times import set_time, span_us

if TYPE_CHECKING:
    from towpath_auth import Caller

    from towpath_service.core.tenant_limits import Admission
    from towpath_service.identity.application.api_keys import ApiKeys, MadeKey
    from towpath_service.identity.application.audit import AuditTrail
    from towpath_service.identity.application.members import Members
    from towpath_service.identity.application.tenants import Tenants
    from towpath_service.identity.application.trusts import Trusts
    from towpath_service.identity.domain.principals import Binding, Principal

_AUDIT_PAGE: Final = 100
_MOST_AUDIT: Final = 1000


class AccessHandler:
    """Manages who may do what."""

    service: ClassVar[str] = "towpath.api.v1.AccessService"

    def __init__(
        self,
        members: Members,
        keys: ApiKeys,
        trusts: Trusts,
        trail: AuditTrail,
        admission: Admission,
    ) -> None:
        self._members = members
        self._keys = keys
        self._trusts = trusts
        self._trail = trail
        self._admission = admission

    async def create_workspace(
        self, request: pb.CreateWorkspaceRequest, caller: Caller
    ) -> pb.CreateWorkspaceResponse:
        """Makes a workspace."""
        made = await self._members.create_workspace(
            caller, request.workspace_id, request.display_name
        )
        return pb.CreateWorkspaceResponse(workspace=convert.to_workspace(made))

    async def list_workspaces(
        self, request: pb.ListWorkspacesRequest, caller: Caller
    ) -> pb.ListWorkspacesResponse:
        """Lists what the caller may enter."""
        found, token = page_of(
            await self._members.workspaces(caller),
            caller,
            "ListWorkspaces",
            size=request.page_size,
            token=request.page_token,
        )
        return pb.ListWorkspacesResponse(
            workspaces=map(convert.to_workspace, found), next_page_token=token
        )

    async def delete_workspace(
        self, request: pb.DeleteWorkspaceRequest, caller: Caller
    ) -> pb.DeleteWorkspaceResponse:
        """Removes an empty workspace."""
        await self._members.delete_workspace(caller, request.name)
        return pb.DeleteWorkspaceResponse()

    async def create_user(
        self, request: pb.CreateUserRequest, caller: Caller
    ) -> pb.CreateUserResponse:
        """Makes a user."""
        made = await self._members.create_user(
            caller,
            NewUser(
                email=request.email,
                display_name=request.display_name,
                role=request.role,
                workspace=request.workspace,
                with_api_key=request.with_api_key,
            ),
        )
        answer = pb.CreateUserResponse(user=convert.to_user(made.principal), api_key=made.api_key)
        if made.expires_us is not None:
            set_time(answer.api_key_expire_time, made.expires_us)
        return answer

    async def list_users(
        self, request: pb.ListUsersRequest, caller: Caller
    ) -> pb.ListUsersResponse:
        """Lists users."""
        found, token = await read_page(
            lambda after, limit: self._members.principals(caller, "user", *after, limit=limit),
            _by_handle,
            caller,
            "ListUsers",
            size=request.page_size,
            token=request.page_token,
        )
        return pb.ListUsersResponse(users=map(convert.to_user, found), next_page_token=token)

    async def delete_user(
        self, request: pb.DeleteUserRequest, caller: Caller
    ) -> pb.DeleteUserResponse:
        """Removes a user."""
        await self._members.delete_principal(caller, request.name, "user")
        return pb.DeleteUserResponse()

    async def create_service_account(
        self, request: pb.CreateServiceAccountRequest, caller: Caller
    ) -> pb.CreateServiceAccountResponse:
        """Makes a service account."""
        made = await self._members.create_service_account(
            caller,
            request.service_account_id,
            request.display_name,
            request.role,
            request.workspace,
        )
        return pb.CreateServiceAccountResponse(service_account=convert.to_service_account(made))

    async def list_service_accounts(
        self, request: pb.ListServiceAccountsRequest, caller: Caller
    ) -> pb.ListServiceAccountsResponse:
        """Lists service accounts."""
        found, token = await read_page(
            lambda after, limit: self._members.principals(
                caller, "service_account", *after, limit=limit
            ),
            _by_handle,
            caller,
            "ListServiceAccounts",
            size=request.page_size,
            token=request.page_token,
        )
        return pb.ListServiceAccountsResponse(
            service_accounts=map(convert.to_service_account, found), next_page_token=token
        )

    async def delete_service_account(
        self, request: pb.DeleteServiceAccountRequest, caller: Caller
    ) -> pb.DeleteServiceAccountResponse:
        """Removes a service account."""
        await self._members.delete_principal(caller, request.name, "service_account")
        return pb.DeleteServiceAccountResponse()

    async def create_api_key(
        self, request: pb.CreateApiKeyRequest, caller: Caller
    ) -> pb.CreateApiKeyResponse:
        """Makes a key."""
        made = await self._keys.create(
            caller,
            NewKey(
                parent=request.parent,
                display_name=request.display_name,
                permissions=request.limits.permissions,
                workspaces=request.limits.workspaces,
                life_seconds=_seconds(request, "life"),
            ),
        )
        return pb.CreateApiKeyResponse(api_key=_shown(made), key=made.key.text)

    async def list_api_keys(
        self, request: pb.ListApiKeysRequest, caller: Caller
    ) -> pb.ListApiKeysResponse:
        """Lists a principal's keys."""
        owner, keys = await self._keys.keys(caller, request.parent)
        found, token = page_of(
            keys,
            caller,
            f"ListApiKeys/{owner.name}",
            size=request.page_size,
            token=request.page_token,
        )
        return pb.ListApiKeysResponse(
            api_keys=[convert.to_api_key(key, owner) for key in found], next_page_token=token
        )

    async def rotate_api_key(
        self, request: pb.RotateApiKeyRequest, caller: Caller
    ) -> pb.RotateApiKeyResponse:
        """Makes a successor of a key."""
        overlap = _seconds(request, "overlap")
        made = await self._keys.rotate(caller, request.name, overlap)
        return pb.RotateApiKeyResponse(api_key=_shown(made), key=made.key.text)

    async def revoke_api_key(
        self, request: pb.RevokeApiKeyRequest, caller: Caller
    ) -> pb.RevokeApiKeyResponse:
        """Ends a key."""
        key, owner = await self._keys.revoke(caller, request.name)
        return pb.RevokeApiKeyResponse(api_key=convert.to_api_key(key, owner))

    async def create_trust(
        self, request: pb.CreateTrustRequest, caller: Caller
    ) -> pb.CreateTrustResponse:
        """Makes a trust."""
        made = await self._trusts.create(caller, from_trust(request.trust_id, request.trust))
        return pb.CreateTrustResponse(trust=to_trust(made))

    async def list_trusts(
        self, request: pb.ListTrustsRequest, caller: Caller
    ) -> pb.ListTrustsResponse:
        """Lists trusts."""
        found, token = page_of(
            await self._trusts.trusts(caller),
            caller,
            "ListTrusts",
            size=request.page_size,
            token=request.page_token,
        )
        return pb.ListTrustsResponse(trusts=map(to_trust, found), next_page_token=token)

    async def delete_trust(
        self, request: pb.DeleteTrustRequest, caller: Caller
    ) -> pb.DeleteTrustResponse:
        """Ends a trust."""
        await self._trusts.delete(caller, request.name)
        return pb.DeleteTrustResponse()

    async def list_roles(
        self, request: pb.ListRolesRequest, caller: Caller
    ) -> pb.ListRolesResponse:
        """Lists roles."""
        found, token = page_of(
            await self._members.roles(caller),
            caller,
            "ListRoles",
            size=request.page_size,
            token=request.page_token,
        )
        return pb.ListRolesResponse(roles=map(convert.to_role, found), next_page_token=token)

    async def create_role(
        self, request: pb.CreateRoleRequest, caller: Caller
    ) -> pb.CreateRoleResponse:
        """Makes a role."""
        made = await self._members.create_role(
            caller, request.role_id, request.display_name, request.permissions
        )
        return pb.CreateRoleResponse(role=convert.to_role(made))

    async def delete_role(
        self, request: pb.DeleteRoleRequest, caller: Caller
    ) -> pb.DeleteRoleResponse:
        """Removes a role."""
        await self._members.delete_role(caller, request.name)
        return pb.DeleteRoleResponse()

    async def create_role_binding(
        self, request: pb.CreateRoleBindingRequest, caller: Caller
    ) -> pb.CreateRoleBindingResponse:
        """Gives a role."""
        binding, principal = await self._members.grant(
            caller, request.principal, request.role, request.workspace
        )
        return pb.CreateRoleBindingResponse(role_binding=convert.to_binding(binding, principal))

    async def list_role_bindings(
        self, request: pb.ListRoleBindingsRequest, caller: Caller
    ) -> pb.ListRoleBindingsResponse:
        """Lists who has which role."""
        found, token = await read_page(
            lambda after, limit: self._members.bindings(
                caller, request.principal, _binding_place(after), limit
            ),
            _by_binding,
            caller,
            f"ListRoleBindings/{request.principal}",
            parts=3,
            size=request.page_size,
            token=request.page_token,
        )
        return pb.ListRoleBindingsResponse(
            role_bindings=[convert.to_binding(*pair) for pair in found], next_page_token=token
        )

    async def delete_role_binding(
        self, request: pb.DeleteRoleBindingRequest, caller: Caller
    ) -> pb.DeleteRoleBindingResponse:
        """Takes a role away."""
        await self._members.revoke(caller, request.principal, request.role, request.workspace)
        return pb.DeleteRoleBindingResponse()

    async def test_permissions(
        self, request: pb.TestPermissionsRequest, caller: Caller
    ) -> pb.TestPermissionsResponse:
        """Tells which permissions the caller has."""
        held = caller.access.tenant
        if request.workspace:
            held = caller.access.in_workspace(
                parse_named(request.workspace, "workspaces", "workspace")
            )
        return pb.TestPermissionsResponse(
            permissions=[name for name in request.permissions if name in held]
        )

    async def list_audit_entries(
        self, request: pb.ListAuditEntriesRequest, caller: Caller
    ) -> pb.ListAuditEntriesResponse:
        """Lists the audit log, newest first."""
        question = ("ListAuditEntries", caller.tenant_id)
        token = request.page_token
        before = read_number(token, question) if token else 0
        size = min(request.page_size or _AUDIT_PAGE, _MOST_AUDIT)
        page = await self._trail.read(caller, before=before, limit=size)
        last = page.entries[-1][0].sequence if page.entries else 1
        return pb.ListAuditEntriesResponse(
            audit_entries=[convert.to_audit_entry(*entry) for entry in page.entries],
            next_page_token=make_token(question, (last,)) if last > 1 else "",
            head_sequence=page.head.sequence,
            head_hash=page.head.hash,
            head_sealed=page.sealed,
        )

    async def get_usage(self, request: pb.GetUsageRequest, caller: Caller) -> pb.GetUsageResponse:
        """Tells what the tenant uses of its limits."""
        del request
        stored = await self._members.stored_bytes(caller)
        used = {**self._admission.usage(caller), "stored_bytes": stored}
        return pb.GetUsageResponse(
            usage=[pb.Usage(quota=name, used=amount) for name, amount in used.items()],
            quotas=tenant_service_pb2.TenantQuotas(
                **{name: limit_of(caller, name) for name in DEFAULTS}
            ),
        )


class TenantHandler:
    """Manages tenants."""

    service: ClassVar[str] = "towpath.api.v1.TenantService"

    def __init__(self, tenants: Tenants) -> None:
        self._tenants = tenants

    async def create_tenant(
        self, request: tenant_service_pb2.CreateTenantRequest, caller: Caller
    ) -> tenant_service_pb2.CreateTenantResponse:
        """Makes a tenant."""
        del caller
        made = await self._tenants.create(
            request.tenant_id,
            request.display_name,
            request.owner_email,
            convert.quotas_of(request.quotas),
        )
        answer = tenant_service_pb2.CreateTenantResponse(
            tenant=convert.to_tenant(made.tenant), owner_api_key=made.api_key
        )
        if made.expires_us is not None:
            set_time(answer.owner_api_key_expire_time, made.expires_us)
        return answer

    async def list_tenants(
        self, request: tenant_service_pb2.ListTenantsRequest, caller: Caller
    ) -> tenant_service_pb2.ListTenantsResponse:
        """Lists tenants."""
        found, token = await read_page(
            lambda after, limit: self._tenants.tenants(*after, limit=limit),
            lambda tenant: (tenant.slug,),
            caller,
            "ListTenants",
            size=request.page_size,
            token=request.page_token,
        )
        return tenant_service_pb2.ListTenantsResponse(
            tenants=map(convert.to_tenant, found), next_page_token=token
        )

    async def get_tenant(
        self, request: tenant_service_pb2.GetTenantRequest, caller: Caller
    ) -> tenant_service_pb2.GetTenantResponse:
        """Tells of a tenant."""
        del caller
        found = await self._tenants.get(request.name)
        return tenant_service_pb2.GetTenantResponse(tenant=convert.to_tenant(found))

    async def set_tenant_quotas(
        self, request: tenant_service_pb2.SetTenantQuotasRequest, caller: Caller
    ) -> tenant_service_pb2.SetTenantQuotasResponse:
        """Sets a tenant's limits."""
        del caller
        quotas = convert.quotas_of(request.quotas)
        changed = await self._tenants.change(
            request.name, quotas=quotas, only=convert.quota_names(request.update_mask)
        )
        return tenant_service_pb2.SetTenantQuotasResponse(tenant=convert.to_tenant(changed))

    async def suspend_tenant(
        self, request: tenant_service_pb2.SuspendTenantRequest, caller: Caller
    ) -> tenant_service_pb2.SuspendTenantResponse:
        """Stops all calls of a tenant."""
        del caller
        changed = await self._tenants.change(request.name, suspended=True)
        return tenant_service_pb2.SuspendTenantResponse(tenant=convert.to_tenant(changed))

    async def resume_tenant(
        self, request: tenant_service_pb2.ResumeTenantRequest, caller: Caller
    ) -> tenant_service_pb2.ResumeTenantResponse:
        """Lets a tenant call again."""
        del caller
        changed = await self._tenants.change(request.name, suspended=False)
        return tenant_service_pb2.ResumeTenantResponse(tenant=convert.to_tenant(changed))


def _by_handle(principal: Principal) -> tuple[str, ...]:
    return (principal.handle,)


def _by_binding(found: tuple[Binding, Principal]) -> tuple[str, ...]:
    binding, principal = found
    return principal.name, binding.role_id, binding.workspace_id


def _binding_place(after: tuple[str, ...]) -> BindingPlace | None:
    if not after:
        return None
    kind, handle = parse_principal(after[0], "page_token")
    return BindingPlace(kind, handle, *after[1:])


def _shown(made: MadeKey) -> pb.ApiKey:
    return convert.to_api_key(made.stored, made.owner)


def _seconds(request: Any, field: str) -> float | None:
    """A span of a request in seconds; None when it isn't given."""
    return span_us(getattr(request, field), field) / 1e6 if request.HasField(field) else None
