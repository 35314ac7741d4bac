"""The tables of identity: tenants, principals, credentials, roles, trusts and audit logs.

`tenant`, `credential_tenant`, `server_key` and `waiting_device` belong to the whole installation:
they are read before the tenant of a call is known. They hold no secret in plain text and no data of
runs.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    UniqueConstraint,
)

from towpath_service.database import columns
from towpath_service.database.tables import OF_INSTALLATION, UNIQUE_ACROSS_TENANTS, metadata

tenant = Table(
    "tenant",
    metadata,
    columns.uuid("tenant_id"),
    columns.string("slug", 63),
    columns.text("display_name"),
    Column("suspended", Boolean, nullable=False),
    columns.text("quotas"),
    columns.microseconds("created_us"),
    # When data that determine callers' rights last changed.
    columns.microseconds("access_changed_us"),
    PrimaryKeyConstraint("tenant_id"),
    UniqueConstraint("slug"),
    Index(None, "access_changed_us"),
    info=UNIQUE_ACROSS_TENANTS,
)

credential_tenant = Table(
    "credential_tenant",
    metadata,
    columns.string("credential_id", 64),
    columns.uuid("tenant_id"),
    PrimaryKeyConstraint("credential_id"),
    info=UNIQUE_ACROSS_TENANTS,
)

server_key = Table(
    "server_key",
    metadata,
    # "signing", "pepper" or "audit"; a pepper's id is its version.
    columns.string("purpose", 16),
    columns.string("key_id", 64),
    columns.text("sealed"),
    columns.microseconds("created_us"),
    columns.microseconds("used_from_us"),
    columns.microseconds("used_until_us", nullable=True),
    PrimaryKeyConstraint("purpose", "key_id"),
    info=OF_INSTALLATION,
)

workspace_entry = Table(
    "workspace_entry",
    metadata,
    columns.uuid("tenant_id"),
    columns.string("workspace_id", 63),
    columns.text("display_name"),
    columns.microseconds("created_us"),
    PrimaryKeyConstraint("tenant_id", "workspace_id"),
)

principal = Table(
    "principal",
    metadata,
    columns.uuid("tenant_id"),
    columns.uuid("principal_id"),
    # As in the contract's ActorKind.
    Column("kind", SmallInteger, nullable=False),
    # E-mail address of a user, id of a service account.
    columns.string("handle", 254),
    columns.text("display_name"),
    Column("epoch", Integer, nullable=False),
    columns.microseconds("created_us"),
    PrimaryKeyConstraint("tenant_id", "principal_id"),
    UniqueConstraint("tenant_id", "kind", "handle"),
)

api_key = Table(
    "api_key",
    metadata,
    columns.uuid("tenant_id"),
    columns.string("key_id", 16),
    columns.uuid("principal_id"),
    columns.text("display_name"),
    columns.string("digest", 64),
    Column("pepper_version", Integer, nullable=False),
    # JSON lists; null for no limit.
    columns.text("scopes", nullable=True),
    columns.text("workspaces", nullable=True),
    columns.text("created_by"),
    columns.microseconds("created_us"),
    columns.microseconds("expires_us", nullable=True),
    columns.microseconds("used_us", nullable=True),
    columns.microseconds("revoked_us", nullable=True),
    columns.string("replaced_by", 16, nullable=True),
    # 1 API key, 2 login, 3 trust.
    Column("kind", SmallInteger, nullable=False, server_default="1"),
    columns.string("trust_id", 63, nullable=True),
    # JSON list of a login's used refresh tokens.
    columns.text("used_tokens", nullable=True),
    PrimaryKeyConstraint("tenant_id", "key_id"),
    Index(None, "tenant_id", "principal_id", "created_us"),
)

trust = Table(
    "trust",
    metadata,
    columns.uuid("tenant_id"),
    columns.string("trust_id", 63),
    columns.string("issuer", 255),
    # JSON: the claims that its tokens must have, and the principal that they stand for.
    columns.text("terms"),
    columns.string("credential_id", 16, nullable=True),
    columns.text("created_by"),
    columns.microseconds("created_us"),
    PrimaryKeyConstraint("tenant_id", "trust_id"),
)

waiting_device = Table(
    "waiting_device",
    metadata,
    columns.string("device_id", 16),
    columns.string("user_code", 8),
    columns.string("digest", 64),
    Column("pepper_version", Integer, nullable=False),
    columns.text("client_name"),
    columns.text("address"),
    columns.microseconds("created_us"),
    columns.microseconds("expires_us"),
    columns.microseconds("polled_us", nullable=True),
    # Tenant of the approving user; until then the row belongs to no tenant.
    columns.uuid("approved_tenant_id", nullable=True),
    columns.string("credential_id", 16, nullable=True),
    PrimaryKeyConstraint("device_id"),
    UniqueConstraint("user_code"),
    Index(None, "address", "expires_us"),
    info=OF_INSTALLATION,
)

role = Table(
    "role",
    metadata,
    columns.uuid("tenant_id"),
    columns.string("role_id", 63),
    columns.text("display_name"),
    columns.text("permissions"),
    columns.microseconds("created_us"),
    PrimaryKeyConstraint("tenant_id", "role_id"),
)

role_binding = Table(
    "role_binding",
    metadata,
    columns.uuid("tenant_id"),
    columns.uuid("principal_id"),
    columns.string("role_id", 63),
    # Empty for the whole tenant.
    columns.string("workspace_id", 63),
    columns.text("created_by"),
    columns.microseconds("created_us"),
    PrimaryKeyConstraint("tenant_id", "principal_id", "role_id", "workspace_id"),
)

audit_entry = Table(
    "audit_entry",
    metadata,
    columns.uuid("tenant_id"),
    columns.big_integer("sequence"),
    columns.microseconds("recorded_us"),
    *(
        columns.text(name)
        for name in ("actor", "credential_id", "action", "method", "resource", "outcome", "reason")
    ),
    *(columns.text(name) for name in ("address", "trace_id", "request")),
    columns.string("hash", 64),
    PrimaryKeyConstraint("tenant_id", "sequence"),
)

audit_head = Table(
    "audit_head",
    metadata,
    columns.uuid("tenant_id"),
    columns.big_integer("sequence"),
    columns.string("hash", 64),
    # Made with the service's key: write access to this table isn't enough to forge it.
    columns.string("seal", 64),
    PrimaryKeyConstraint("tenant_id"),
)
