"""Secrets of a workspace, and the keys that seal their values, as they are stored."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from towpath_service.core.errors import ServiceError, invalid
from towpath_service.core.names import SLUG

MOST_BYTES: Final = 64 * 1024
"""Largest value: bytes."""

MOST_SECRETS: Final = 1000
"""Most secrets of a workspace."""

MOST_RECORDS: Final = 1 << 30
"""Most records of one data key: a repeated nonce must stay improbable, up to 2^32 records."""

KEY_DAYS: Final = 90
"""Days after which a data key seals no more values."""

_DAY_US: Final = 86_400_000_000
_SECRET: Final = re.compile(rf"workspaces/({SLUG})/secrets/({SLUG})")


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretUser:
    """A run that may use secrets, as it is now."""

    attempt: int
    fence: int
    secrets: frozenset[str] | None
    """Ids of the secrets that its deployment names; None for a run without a deployment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSecret:
    """A secret with its value, sealed."""

    workspace_id: str
    secret_id: str
    row_id: str
    """UUID: a later secret with the same name has another one."""
    description: str
    version: int
    """Version of the value, from 1."""
    revision: int
    """Revision of the whole secret, from 1."""
    key_id: str
    """The data key that the value is sealed with."""
    sealed: str = field(repr=False)
    setter: str
    """Name of the principal that last set the value."""
    created_us: int
    updated_us: int

    @property
    def name(self) -> str:
        """Its resource name."""
        return f"workspaces/{self.workspace_id}/secrets/{self.secret_id}"

    @property
    def etag(self) -> str:
        """Changes with every change of the secret."""
        return f"{self.row_id}.{self.revision}"

    def place(self, tenant_id: str) -> str:
        """The place that its value is sealed for: this tenant, name, row and version only."""
        row = f"{self.workspace_id}/{self.secret_id}/{self.row_id}"
        return f"{tenant_id}|secret|{row}|value|{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDataKey:
    """A key of one tenant that values are sealed with, itself sealed."""

    tenant_id: str
    key_id: str
    sealed: str = field(repr=False)
    created_us: int
    retired_us: int | None = None
    """When it was retired; None while it seals new values."""
    records: int = 0
    """Number of records that it has sealed."""

    @property
    def place(self) -> str:
        """The place that it is sealed for."""
        return f"data_key/{self.tenant_id}/{self.key_id}"

    def seals(self, now_us: int) -> bool:
        """Whether it may seal another value."""
        young = now_us < self.created_us + KEY_DAYS * _DAY_US
        return self.retired_us is None and young and self.records < MOST_RECORDS


def parse_secret(name: str, field_name: str = "name") -> tuple[str, str]:
    """Workspace and id in a name; INVALID_REQUEST naming the field if it isn't one."""
    match = _SECRET.fullmatch(name)
    if match is None:
        raise invalid(
            field_name, 'must be "workspaces/{workspace}/secrets/{secret}", ids of a-z, 0-9 and -'
        )
    return match[1], match[2]


def check_value(value: bytes) -> None:
    """Refuses an empty or too large value; the error reveals nothing of it."""
    if not value:
        raise invalid("secret.value", "must not be empty")
    if len(value) > MOST_BYTES:
        raise invalid("secret.value", f"must have at most {MOST_BYTES} bytes")


def too_many(workspace_id: str) -> ServiceError:
    """The error for a secret beyond a workspace's maximum."""
    return ServiceError(
        reason="QUOTA_EXCEEDED",
        message=f"workspaces/{workspace_id} has {MOST_SECRETS} secrets: delete some first",
        metadata={"quota": "secrets_per_workspace"},
    )
