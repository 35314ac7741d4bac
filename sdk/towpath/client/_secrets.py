"""Secrets of a workspace: their descriptions, and new values; no value is read back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.protobuf.field_mask_pb2 import FieldMask

from towpath.api.v1 import secret_service_pb2 as pb
from towpath.client._calls import PAGE, Subject
from towpath.client._convert import to_time
from towpath.exceptions import Conflict

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretInfo:
    """A secret, without its value."""

    id: str
    """Its id, "db-password"."""
    workspace: str
    """Id of its workspace."""
    description: str
    version: int
    """Version of its value, from 1."""
    setter: str
    """The principal that last set the value."""
    created: datetime
    changed: datetime
    """When its value or description last changed."""
    etag: str
    """Version of value and description together; see `Secrets.update`."""

    @property
    def resource_name(self) -> str:
        """The resource name, "workspaces/{workspace}/secrets/{id}"."""
        return f"workspaces/{self.workspace}/secrets/{self.id}"


class Secrets(Subject):
    """Creates, lists, updates and deletes the secrets of the client's workspace.

    Runs read values with `towpath.Secret`; people never do. Every method raises
    `towpath.exceptions.RpcError`, or one of its kinds, when the service can't be reached or
    refuses.
    """

    def create(self, id_: str, value: bytes, *, description: str = "") -> SecretInfo:
        """Creates a secret.

        Args:
            id_: Id of the new secret: 1 to 63 of a-z, 0-9 and -.
            value: Its value, 1 byte to 64 KiB.
            description: Description, at most 1024 characters.

        Returns:
            The secret as created.

        Raises:
            Conflict: A secret has this id, or the service keeps no secrets.
        """
        request = pb.CreateSecretRequest(
            parent=self._parent,
            secret_id=id_,
            secret=pb.Secret(value=value, description=description),
        )
        answer = self._calls.unary("SecretService/CreateSecret", request, pb.CreateSecretResponse)
        return _convert_secret(answer.secret)

    def set(self, id_: str, value: bytes) -> SecretInfo:
        """Sets the value of a secret, and creates the secret when there is none.

        Args:
            id_: Id of the secret.
            value: Its value, 1 byte to 64 KiB.

        Returns:
            The secret as it is now.
        """
        try:
            return self.create(id_, value)
        except Conflict as error:
            if error.code != "ALREADY_EXISTS":
                raise
        return self.update(id_, value=value)

    def get(self, id_: str) -> SecretInfo:
        """Returns a secret, without its value.

        Args:
            id_: Id of the secret.

        Raises:
            NotFound: No secret has this id.
        """
        request = pb.GetSecretRequest(name=self._name(id_))
        answer = self._calls.unary("SecretService/GetSecret", request, pb.GetSecretResponse)
        return _convert_secret(answer.secret)

    def list(self) -> Iterator[SecretInfo]:
        """Lists the secrets of the workspace by id, without values.

        Returns:
            The secrets, fetched page by page.
        """
        request = pb.ListSecretsRequest(parent=self._parent, page_size=PAGE)
        for page in self._calls.pages("SecretService/ListSecrets", request, pb.ListSecretsResponse):
            yield from map(_convert_secret, page.secrets)

    def update(
        self,
        id_: str,
        *,
        value: bytes | None = None,
        description: str | None = None,
        etag: str = "",
    ) -> SecretInfo:
        """Changes the value or the description of a secret; a new value is a new version.

        Args:
            id_: Id of the secret.
            value: Its new value, 1 byte to 64 KiB; None to keep the present one.
            description: Its new description; None to keep the present one.
            etag: The etag that the secret must still have; empty for any.

        Returns:
            The secret as it is now.

        Raises:
            NotFound: No secret has this id.
            Conflict: The secret has another etag.
        """
        changes: dict[str, bytes | str] = {}
        if description is not None:
            changes["description"] = description
        if value is not None:
            changes["value"] = value
        secret = pb.Secret(name=self._name(id_), etag=etag)
        for field, content in changes.items():
            setattr(secret, field, content)
        request = pb.UpdateSecretRequest(secret=secret, update_mask=FieldMask(paths=changes))
        answer = self._calls.unary("SecretService/UpdateSecret", request, pb.UpdateSecretResponse)
        return _convert_secret(answer.secret)

    def delete(self, id_: str, *, etag: str = "") -> None:
        """Deletes a secret with its value.

        Args:
            id_: Id of the secret.
            etag: The etag that the secret must still have; empty for any.

        Raises:
            NotFound: No secret has this id.
            Conflict: The secret has another etag.
        """
        request = pb.DeleteSecretRequest(name=self._name(id_), etag=etag)
        self._calls.unary("SecretService/DeleteSecret", request, pb.DeleteSecretResponse)

    def _name(self, id_: str) -> str:
        return f"{self._parent}/secrets/{id_}"


def _convert_secret(message: pb.Secret) -> SecretInfo:
    _, workspace, _, id_ = message.name.split("/")
    return SecretInfo(
        id=id_,
        workspace=workspace,
        description=message.description,
        version=message.version,
        setter=message.setter,
        created=to_time(message.create_time),
        changed=to_time(message.update_time),
        etag=message.etag,
    )
