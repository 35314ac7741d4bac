"""The handler of TenantService."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from towpath.api.v1 import tenant_service_pb2

from towpath_service.identity.rpc import convert_identity
from towpath_service.rpc.paging import read_page
from towpath_service.rpc.times import set_time

if TYPE_CHECKING:
    from towpath_auth import Caller

    from towpath_service.identity.application.tenants import Tenants


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
            convert_identity.quotas_of(request.quotas),
        )
        answer = tenant_service_pb2.CreateTenantResponse(
            tenant=convert_identity.to_tenant(made.tenant), owner_api_key=made.api_key
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
            tenants=map(convert_identity.to_tenant, found), next_page_token=token
        )

    async def get_tenant(
        self, request: tenant_service_pb2.GetTenantRequest, caller: Caller
    ) -> tenant_service_pb2.GetTenantResponse:
        """Returns a tenant."""
        del caller
        found = await self._tenants.get(request.name)
        return tenant_service_pb2.GetTenantResponse(tenant=convert_identity.to_tenant(found))

    async def set_tenant_quotas(
        self, request: tenant_service_pb2.SetTenantQuotasRequest, caller: Caller
    ) -> tenant_service_pb2.SetTenantQuotasResponse:
        """Sets a tenant's limits."""
        del caller
        quotas = convert_identity.quotas_of(request.quotas)
        changed = await self._tenants.change(
            request.name, quotas=quotas, only=convert_identity.quota_names(request.update_mask)
        )
        return tenant_service_pb2.SetTenantQuotasResponse(
            tenant=convert_identity.to_tenant(changed)
        )

    async def suspend_tenant(
        self, request: tenant_service_pb2.SuspendTenantRequest, caller: Caller
    ) -> tenant_service_pb2.SuspendTenantResponse:
        """Stops all calls of a tenant."""
        del caller
        changed = await self._tenants.change(request.name, suspended=True)
        return tenant_service_pb2.SuspendTenantResponse(tenant=convert_identity.to_tenant(changed))

    async def resume_tenant(
        self, request: tenant_service_pb2.ResumeTenantRequest, caller: Caller
    ) -> tenant_service_pb2.ResumeTenantResponse:
        """Lets a tenant call again."""
        del caller
        changed = await self._tenants.change(request.name, suspended=False)
        return tenant_service_pb2.ResumeTenantResponse(tenant=convert_identity.to_tenant(changed))
