"""The rpcs of AccessService about a tenant's usage."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from towpath.api.v1 import access_service_pb2 as pb
from towpath.api.v1 import tenant_service_pb2

from towpath_service.core.tenant_limits import DEFAULTS, limit_of

if TYPE_CHECKING:
    from towpath_auth import Caller

    from towpath_service.core.tenant_limits import TenantLimits
    from towpath_service.identity.application.members import Members


class UsageHandler:
    """Reports a tenant's usage of its limits."""

    service: ClassVar[str] = "towpath.api.v1.AccessService"

    def __init__(self, members: Members, tenant_limits: TenantLimits) -> None:
        self._members = members
        self._tenant_limits = tenant_limits

    async def get_usage(self, request: pb.GetUsageRequest, caller: Caller) -> pb.GetUsageResponse:
        """Returns the tenant's usage of its limits."""
        del request
        stored = await self._members.stored_bytes(caller)
        used = {**self._tenant_limits.usage(caller), "stored_bytes": stored}
        return pb.GetUsageResponse(
            usage=[pb.Usage(quota=name, used=amount) for name, amount in used.items()],
            quotas=tenant_service_pb2.TenantQuotas(
                **{name: limit_of(caller, name) for name in DEFAULTS}
            ),
        )
