"""Secrets of a workspace, and the keys that their values are sealed with, as they are kept."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from towpath_service.core.errors import ServiceError, invalid
from towpath_service.core.names import SLUG

MOST_BYTES: Final = 64 * 1024
"""Of a value."""

MOST_SECRETS: Final = 1000
"""Of a workspace."""

MOST_RECORDS: Final = 1 << 30
"""That one data key seals: among 2^32 random nonces two are likely enough to be alike."""

KEY_DAYS: Final = 90
"""After how long a data key seals nothing more."""

_DAY_US: Final = 86_400_000_000
_SECRET: Final = re.compile(rf"workspaces/({SLUG})/secrets/({SLUG})")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSecret:
    """A secret with its value, sealed."""

    workspace_id: str
    secret_id: str
    row_id: str
    """UUID: another secret of the same name is another."""
    description: str
    version: int
    """Of the value, from 1."""
    revision: int
    """Of all of it, from 1."""
    key_id: str
    """The data key that the value is sealed with."""
    sealed: str = field(repr=False)
    setter: str
    """Who last set the value, by name."""
    created_us: int
    updated_us: int

    @property
    def name(self) -> str:
        """Its resource name."""
        return f"workspaces/{self.workspace_id}/secrets/{self.secret_id}"

    @property
    def etag(self) -> str:
        """What changes whenever something of it does."""
        return f"{self.row_id}.{self.revision}"

    def place(self, tenant_id: str) -> str:
        """Where its value belongs, and opens: no other tenant, name, row or version."""
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
    """Since when it seals nothing more; None while it does."""
    records: int = 0
    """How many it has sealed."""

    @property
    def place(self) -> str:
        """Where it belongs, and opens."""
        return f"data_key/{self.tenant_id}/{self.key_id}"

    def seals(self, now_us: int) -> bool:
        """Whether it may seal something more."""
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
    """Refuses a value that is none, or too large, without telling anything of it."""
    if not value:
        raise invalid("secret.value", "must not be empty")
    if len(value) > MOST_BYTES:
        raise invalid("secret.value", f"must have at most {MOST_BYTES} bytes")


def too_many(workspace_id: str) -> ServiceError:
    """The answer to one secret more than a workspace may have."""
    return ServiceError(
        reason="QUOTA_EXCEEDED",
        message=f"workspaces/{workspace_id} has {MOST_SECRETS} secrets: delete some first",
        metadata={"quota": "secrets_per_workspace"},
    )


def outdated(name: str) -> ServiceError:
    """The answer to a change of what has changed meanwhile."""
    return ServiceError(
        reason="ETAG_MISMATCH",
        message=f"{name} has changed meanwhile: read it, and try again with its etag",
        metadata={"resource": name},
    )
