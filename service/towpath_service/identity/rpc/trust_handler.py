"""The rpcs of AccessService about trusts in other issuers."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from towpath.api.v1 import access_service_pb2 as pb

from towpath_service.identity.rpc.convert_trusts import from_trust, to_trust
from towpath_service.rpc.paging import page_of

if TYPE_CHECKING:
    from towpath_auth import Caller

    from towpath_service.identity.application.trusts import Trusts


class TrustHandler:
    """Manages trusts."""

    service: ClassVar[str] = "towpath.api.v1.AccessService"

    def __init__(self, trusts: Trusts) -> None:
        self._trusts = trusts

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
