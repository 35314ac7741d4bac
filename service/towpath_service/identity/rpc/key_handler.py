"""The rpcs of AccessService about API keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from towpath.api.v1 import access_service_pb2 as pb

from towpath_service.identity.application.api_keys import NewKey
from towpath_service.identity.rpc import convert_identity
from towpath_service.rpc.paging import page_of
from towpath_service.rpc.times import span_us

if TYPE_CHECKING:
    from towpath_auth import Caller

    from towpath_service.identity.application.api_keys import ApiKeys, MadeKey


class KeyHandler:
    """Manages API keys."""

    service: ClassVar[str] = "towpath.api.v1.AccessService"

    def __init__(self, keys: ApiKeys) -> None:
        self._keys = keys

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
            api_keys=[convert_identity.to_api_key(key, owner) for key in found],
            next_page_token=token,
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
        return pb.RevokeApiKeyResponse(api_key=convert_identity.to_api_key(key, owner))


def _shown(made: MadeKey) -> pb.ApiKey:
    return convert_identity.to_api_key(made.stored, made.owner)


def _seconds(request: Any, field: str) -> float | None:
    """A duration of a request in seconds; None when it isn't set."""
    return span_us(getattr(request, field), field) / 1e6 if request.HasField(field) else None
