"""API keys, and the other credentials of a principal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from towpath.api.v1 import access_service_pb2 as pb
from towpath.client._calls import PAGE, Subject
from towpath.client._convert import (
    from_span,
    last_segment,
    principal_name,
    to_optional_time,
    to_time,
    workspace_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime, timedelta

CredentialKind = Literal["api_key", "sign_in", "trust", ""]

_KINDS: Final[dict[int, CredentialKind]] = {1: "api_key", 2: "sign_in", 3: "trust"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """An API key or another credential, without its secret."""

    id: str
    """Its public id, 16 characters; the key itself contains it."""
    principal: str
    """The owner: "users/{email}" or "serviceAccounts/{id}"."""
    kind: CredentialKind
    """An API key, a login, or a trust in an issuer; empty for one that this version lacks."""
    name: str
    """Name to show."""
    permissions: tuple[str, ...]
    """Permissions that it is limited to; empty for all of the owner's."""
    workspaces: tuple[str, ...]
    """Ids of the workspaces that it is limited to; empty for all of the owner's."""
    creator: str
    """The principal that created it."""
    created: datetime
    expires: datetime | None
    """When it expires; None for never."""
    used: datetime | None
    """When it was last exchanged for an access token, to the minute; None for never."""
    revoked: datetime | None
    """When it was revoked; None when it wasn't."""
    replaced_by: str
    """Public id of its successor; empty when it has none."""

    @property
    def resource_name(self) -> str:
        """The resource name, "users/{email}/apiKeys/{id}"."""
        return f"{self.principal}/apiKeys/{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApiKey:
    """A key as created, with its secret."""

    key: str = field(repr=False)
    """The key itself, which no later answer has: the service keeps a hash."""
    api_key: ApiKey


class Keys(Subject):
    """Creates, lists, rotates and revokes API keys.

    Every method raises `towpath.exceptions.RpcError`, or one of its kinds, when the service can't
    be reached or refuses.
    """

    def create(
        self,
        owner: str | None = None,
        *,
        name: str = "",
        permissions: Iterable[str] = (),
        workspaces: Iterable[str] = (),
        life: timedelta | None = None,
    ) -> NewApiKey:
        """Creates an API key.

        Args:
            owner: E-mail address of a user, id of a service account, or resource name; None for the
                caller.
            name: Name to show, at most 255 characters.
            permissions: Permissions to limit it to; empty for all of the owner's.
            workspaces: Ids of the workspaces to limit it to; empty for all of the owner's.
            life: Time until it expires, at most 365 days; None for 90 days.

        Returns:
            The key, which is shown this once.

        Raises:
            NotFound: No such owner.
            NotSignedIn: The caller may not create keys of this owner.
            InvalidRequest: The life is too long or too short.
            RpcError: RESOURCE_EXHAUSTED, the owner has 10 valid keys.
        """
        request = pb.CreateApiKeyRequest(
            parent=principal_name(owner),
            display_name=name,
            limits=pb.ApiKeyLimits(
                permissions=permissions, workspaces=map(workspace_name, workspaces)
            ),
            life=from_span(life),
        )
        answer = self._calls.unary("AccessService/CreateApiKey", request, pb.CreateApiKeyResponse)
        return NewApiKey(key=answer.key, api_key=_convert_key(answer.api_key))

    def list(self, owner: str | None = None) -> Iterator[ApiKey]:
        """Lists the keys of a principal, newest first, without their secrets.

        Args:
            owner: E-mail address of a user, id of a service account, or resource name; None for the
                caller.

        Returns:
            The keys, fetched page by page.

        Raises:
            NotFound: No such owner.
        """
        request = pb.ListApiKeysRequest(parent=principal_name(owner), page_size=PAGE)
        for page in self._calls.pages("AccessService/ListApiKeys", request, pb.ListApiKeysResponse):
            yield from map(_convert_key, page.api_keys)

    def rotate(self, key: str, *, overlap: timedelta | None = None) -> NewApiKey:
        """Creates a successor of a key, with the same limits.

        Args:
            key: Public id or resource name of the key.
            overlap: Time until the old key expires, at most 7 days; zero for at once; None for one
                day.

        Returns:
            The successor, which is shown this once.

        Raises:
            NotFound: No such key.
            Conflict: The key has a successor.
            InvalidRequest: The overlap is too long.
        """
        request = pb.RotateApiKeyRequest(name=key, overlap=from_span(overlap))
        answer = self._calls.unary("AccessService/RotateApiKey", request, pb.RotateApiKeyResponse)
        return NewApiKey(key=answer.key, api_key=_convert_key(answer.api_key))

    def revoke(self, key: str) -> ApiKey:
        """Revokes a key; the service refuses it everywhere within 5 seconds.

        Args:
            key: Public id or resource name of the key.

        Returns:
            The key as it is now.

        Raises:
            NotFound: No such key.
        """
        request = pb.RevokeApiKeyRequest(name=key)
        answer = self._calls.unary("AccessService/RevokeApiKey", request, pb.RevokeApiKeyResponse)
        return _convert_key(answer.api_key)


def _convert_key(message: pb.ApiKey) -> ApiKey:
    return ApiKey(
        id=message.key_id,
        principal=message.name.partition("/apiKeys/")[0],
        kind=_KINDS.get(message.kind, ""),
        name=message.display_name,
        permissions=tuple(message.limits.permissions),
        workspaces=tuple(map(last_segment, message.limits.workspaces)),
        creator=message.creator,
        created=to_time(message.create_time),
        expires=to_optional_time(message, "expire_time"),
        used=to_optional_time(message, "use_time"),
        revoked=to_optional_time(message, "revoke_time"),
        replaced_by=message.replaced_by,
    )
