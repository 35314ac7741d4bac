"""The tables of identity: tenants, who is in them, what they may do, and by which keys they come.

`tenant`, `credential_tenant`, `server_key` and `waiting_device` are of the whole installation: what
is looked up before it is known whose call it is. They hold no secret in plain and nothing that a
run knows.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import UUID

from towpath_service.database.tables import metadata

_Uuid = String(36).with_variant(UUID(as_uuid=False), "postgresql")
_Text = Text().with_variant(Text(collation="C"), "postgresql")


def _string(name: str, length: int, *, nullable: bool = False) -> Column[str]:
    kind = String(length).with_variant(String(length, collation="C"), "postgresql")
    return Column(name, kind, nullable=nullable)


def _uuid(name: str) -> Column[str]:
    return Column(name, _Uuid, nullable=False)


def _us(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


tenant = Table(
    "tenant",
    metadata,
    _uuid("tenant_id"),
    _string("slug", 63),
    Column("display_name", _Text, nullable=False),
    Column("suspended", Boolean, nullable=False),
    Column("quotas", _Text, nullable=False),
    _us("created_us"),
    # When something last changed that callers' rights follow from.
    _us("access_changed_us"),
    PrimaryKeyConstraint("tenant_id"),
    UniqueConstraint("slug"),
    Index(None, "access_changed_us"),
)

credential_tenant = Table(
    "credential_tenant",
    metadata,
    _string("credential_id", 64),
    _uuid("tenant_id"),
    PrimaryKeyConstraint("credential_id"),
)

server_key = Table(
    "server_key",
    metadata,
    # "signing", "pepper" or "audit"; a pepper's id is its version.
    _string("purpose", 16),
    _string("key_id", 64),
    Column("sealed", _Text, nullable=False),
    _us("created_us"),
    _us("used_from_us"),
    _us("used_until_us", nullable=True),
    PrimaryKeyConstraint("purpose", "key_id"),
)

workspace_entry = Table(
    "workspace_entry",
    metadata,
    _uuid("tenant_id"),
    _string("workspace_id", 63),
    Column("display_name", _Text, nullable=False),
    _us("created_us"),
    PrimaryKeyConstraint("tenant_id", "workspace_id"),
)

principal = Table(
    "principal",
    metadata,
    _uuid("tenant_id"),
    _uuid("principal_id"),
    # As in the contract's ActorKind.
    Column("kind", SmallInteger, nullable=False),
    # E-mail address of a user, id of a service account.
    _string("handle", 254),
    Column("display_name", _Text, nullable=False),
    Column("epoch", Integer, nullable=False),
    _us("created_us"),
    PrimaryKeyConstraint("tenant_id", "principal_id"),
    UniqueConstraint("tenant_id", "kind", "handle"),
)

api_key = Table(
    "api_key",
    metadata,
    _uuid("tenant_id"),
    _string("key_id", 16),
    _uuid("principal_id"),
    Column("display_name", _Text, nullable=False),
    _string("digest", 64),
    Column("pepper_version", Integer, nullable=False),
    # JSON lists; null for no limit.
    Column("scopes", _Text, nullable=True),
    Column("workspaces", _Text, nullable=True),
    Column("created_by", _Text, nullable=False),
    _us("created_us"),
    _us("expires_us", nullable=True),
    _us("used_us", nullable=True),
    _us("revoked_us", nullable=True),
    _string("replaced_by", 16, nullable=True),
    # 1 API key, 2 login, 3 trust.
    Column("kind", SmallInteger, nullable=False, server_default="1"),
    _string("trust_id", 63, nullable=True),
    # JSON list of a login's refresh tokens that are used up.
    Column("used_tokens", _Text, nullable=True),
    PrimaryKeyConstraint("tenant_id", "key_id"),
    Index(None, "tenant_id", "principal_id", "created_us"),
)

trust = Table(
    "trust",
    metadata,
    _uuid("tenant_id"),
    _string("trust_id", 63),
    _string("issuer", 255),
    # What is asked for of its tokens and whom they stand for, as JSON.
    Column("terms", _Text, nullable=False),
    _string("credential_id", 16, nullable=True),
    Column("created_by", _Text, nullable=False),
    _us("created_us"),
    PrimaryKeyConstraint("tenant_id", "trust_id"),
)

waiting_device = Table(
    "waiting_device",
    metadata,
    _string("device_id", 16),
    _string("user_code", 8),
    _string("digest", 64),
    Column("pepper_version", Integer, nullable=False),
    Column("client_name", _Text, nullable=False),
    Column("address", _Text, nullable=False),
    _us("created_us"),
    _us("expires_us"),
    _us("polled_us", nullable=True),
    # Of whoever approved it: until then it belongs to no tenant.
    Column("approved_tenant_id", _Uuid, nullable=True),
    _string("credential_id", 16, nullable=True),
    PrimaryKeyConstraint("device_id"),
    UniqueConstraint("user_code"),
    Index(None, "address", "expires_us"),
)

role = Table(
    "role",
    metadata,
    _uuid("tenant_id"),
    _string("role_id", 63),
    Column("display_name", _Text, nullable=False),
    Column("permissions", _Text, nullable=False),
    _us("created_us"),
    PrimaryKeyConstraint("tenant_id", "role_id"),
)

role_binding = Table(
    "role_binding",
    metadata,
    _uuid("tenant_id"),
    _uuid("principal_id"),
    _string("role_id", 63),
    # Empty for the whole tenant.
    _string("workspace_id", 63),
    Column("created_by", _Text, nullable=False),
    _us("created_us"),
    PrimaryKeyConstraint("tenant_id", "principal_id", "role_id", "workspace_id"),
)

audit_entry = Table(
    "audit_entry",
    metadata,
    _uuid("tenant_id"),
    Column("sequence", BigInteger, nullable=False),
    _us("recorded_us"),
    *(
        Column(name, _Text, nullable=False)
        for name in ("actor", "credential_id", "action", "method", "resource", "outcome", "reason")
    ),
    *(Column(name, _Text, nullable=False) for name in ("address", "trace_id", "request")),
    _string("hash", 64),
    PrimaryKeyConstraint("tenant_id", "sequence"),
)

audit_head = Table(
    "audit_head",
    metadata,
    _uuid("tenant_id"),
    Column("sequence", BigInteger, nullable=False),
    _string("hash", 64),
    # Of the service: whoever writes here can't make one.
    _string("seal", 64),
    PrimaryKeyConstraint("tenant_id"),
)

ALL_TABLES = metadata
"""Every table of the service: these, and those of runs."""
