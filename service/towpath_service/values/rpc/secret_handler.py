"""The handler of SecretService."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from towpath.api.v1 import secret_service_pb2 as pb

from towpath_service.core.errors import invalid
from towpath_service.core.names import parse_workspace
from towpath_service.rpc.paging import page_of
from towpath_service.rpc.times import set_time
from towpath_service.values.application.secrets import SecretChange

if TYPE_CHECKING:
    from towpath_auth import Caller

    from towpath_service.values.application.secrets import WorkspaceSecrets
    from towpath_service.values.domain.secrets import StoredSecret

_CHANGEABLE: Final = frozenset({"value", "description"})


class SecretHandler:
    """Manages secrets, and returns their values to permitted callers."""

    service: ClassVar[str] = "towpath.api.v1.SecretService"

    def __init__(self, secrets: WorkspaceSecrets) -> None:
        self._secrets = secrets

    async def create_secret(
        self, request: pb.CreateSecretRequest, caller: Caller
    ) -> pb.CreateSecretResponse:
        """Makes a secret."""
        made = await self._secrets.create(
            caller,
            parse_workspace(request.parent),
            request.secret_id,
            request.secret.value,
            request.secret.description,
        )
        return pb.CreateSecretResponse(secret=_shown(made))

    async def get_secret(
        self, request: pb.GetSecretRequest, caller: Caller
    ) -> pb.GetSecretResponse:
        """Describes a secret."""
        return pb.GetSecretResponse(secret=_shown(await self._secrets.get(caller, request.name)))

    async def list_secrets(
        self, request: pb.ListSecretsRequest, caller: Caller
    ) -> pb.ListSecretsResponse:
        """Lists secrets."""
        found, token = page_of(
            await self._secrets.secrets(caller, parse_workspace(request.parent)),
            caller,
            f"ListSecrets/{request.parent}",
            size=request.page_size,
            token=request.page_token,
        )
        return pb.ListSecretsResponse(secrets=map(_shown, found), next_page_token=token)

    async def update_secret(
        self, request: pb.UpdateSecretRequest, caller: Caller
    ) -> pb.UpdateSecretResponse:
        """Changes a secret."""
        changed = await self._secrets.update(caller, _change(request))
        return pb.UpdateSecretResponse(secret=_shown(changed))

    async def delete_secret(
        self, request: pb.DeleteSecretRequest, caller: Caller
    ) -> pb.DeleteSecretResponse:
        """Removes a secret."""
        await self._secrets.delete(caller, request.name, request.etag)
        return pb.DeleteSecretResponse()

    async def access_secret(
        self, request: pb.AccessSecretRequest, caller: Caller
    ) -> pb.AccessSecretResponse:
        """Returns a secret's value to a permitted caller."""
        value, version = await self._secrets.use(caller, request.name)
        return pb.AccessSecretResponse(value=value, version=version)


def _change(request: pb.UpdateSecretRequest) -> SecretChange:
    asked, paths = request.secret, set(request.update_mask.paths)
    if not paths:
        paths = {name for name in _CHANGEABLE if getattr(asked, name)}
    if not paths or paths - _CHANGEABLE:
        raise invalid("update_mask", "must name value, description or both, or be left out")
    return SecretChange(
        name=asked.name,
        value=asked.value if "value" in paths else None,
        description=asked.description if "description" in paths else None,
        etag=asked.etag,
    )


def _shown(secret: StoredSecret) -> pb.Secret:
    """A secret, without its value."""
    answer = pb.Secret(
        name=secret.name,
        description=secret.description,
        version=secret.version,
        setter=secret.setter,
        etag=secret.etag,
    )
    set_time(answer.create_time, secret.created_us)
    set_time(answer.update_time, secret.updated_us)
    return answer
