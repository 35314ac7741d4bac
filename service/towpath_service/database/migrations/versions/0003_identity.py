"""Tenants, who is in them, what they may do, and by which keys they come."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

UUID = sa.String(36).with_variant(sa.UUID(as_uuid=False), "postgresql")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def string(name: str, length: int, *, nullable: bool = False) -> sa.Column[str]:
    kind = sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")
    return sa.Column(name, kind, nullable=nullable)


def uuid(name: str) -> sa.Column[str]:
    return sa.Column(name, UUID, nullable=False)


def us(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, TEXT, nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "tenant",
        uuid("tenant_id"),
        string("slug", 63),
        text("display_name"),
        sa.Column("suspended", sa.Boolean(), nullable=False),
        text("quotas"),
        us("created_us"),
        us("access_changed_us"),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_tenant")),
        sa.UniqueConstraint("slug", name=op.f("uq_tenant_slug")),
    )
    op.create_index(op.f("ix_tenant_access_changed_us"), "tenant", ["access_changed_us"])
    op.create_table(
        "credential_tenant",
        string("credential_id", 64),
        uuid("tenant_id"),
        sa.PrimaryKeyConstraint("credential_id", name=op.f("pk_credential_tenant")),
    )
    op.create_table(
        "server_key",
        string("purpose", 16),
        string("key_id", 64),
        text("sealed"),
        us("created_us"),
        us("used_from_us"),
        us("used_until_us", nullable=True),
        sa.PrimaryKeyConstraint("purpose", "key_id", name=op.f("pk_server_key")),
    )
    op.create_table(
        "workspace_entry",
        uuid("tenant_id"),
        string("workspace_id", 63),
        text("display_name"),
        us("created_us"),
        sa.PrimaryKeyConstraint("tenant_id", "workspace_id", name=op.f("pk_workspace_entry")),
    )
    op.create_table(
        "principal",
        uuid("tenant_id"),
        uuid("principal_id"),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        string("handle", 254),
        text("display_name"),
        sa.Column("epoch", sa.Integer(), nullable=False),
        us("created_us"),
        sa.PrimaryKeyConstraint("tenant_id", "principal_id", name=op.f("pk_principal")),
        sa.UniqueConstraint(
            "tenant_id", "kind", "handle", name=op.f("uq_principal_tenant_id_kind_handle")
        ),
    )
    _keys_and_roles()


def _keys_and_roles() -> None:
    op.create_table(
        "api_key",
        uuid("tenant_id"),
        string("key_id", 16),
        uuid("principal_id"),
        text("display_name"),
        string("digest", 64),
        sa.Column("pepper_version", sa.Integer(), nullable=False),
        text("scopes", nullable=True),
        text("workspaces", nullable=True),
        text("created_by"),
        us("created_us"),
        us("expires_us", nullable=True),
        us("used_us", nullable=True),
        us("revoked_us", nullable=True),
        string("replaced_by", 16, nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "key_id", name=op.f("pk_api_key")),
    )
    op.create_index(
        op.f("ix_api_key_tenant_id_principal_id_created_us"),
        "api_key",
        ["tenant_id", "principal_id", "created_us"],
    )
    op.create_table(
        "role",
        uuid("tenant_id"),
        string("role_id", 63),
        text("display_name"),
        text("permissions"),
        us("created_us"),
        sa.PrimaryKeyConstraint("tenant_id", "role_id", name=op.f("pk_role")),
    )
    op.create_table(
        "role_binding",
        uuid("tenant_id"),
        uuid("principal_id"),
        string("role_id", 63),
        string("workspace_id", 63),
        text("created_by"),
        us("created_us"),
        sa.PrimaryKeyConstraint(
            *("tenant_id", "principal_id", "role_id", "workspace_id"),
            name=op.f("pk_role_binding"),
        ),
    )
    _audit()


def _audit() -> None:
    words = ("actor", "credential_id", "action", "method", "resource", "outcome", "reason")
    op.create_table(
        "audit_entry",
        uuid("tenant_id"),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        us("recorded_us"),
        *(text(name) for name in (*words, "address", "trace_id", "request")),
        string("hash", 64),
        sa.PrimaryKeyConstraint("tenant_id", "sequence", name=op.f("pk_audit_entry")),
    )
    op.create_table(
        "audit_head",
        uuid("tenant_id"),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        string("hash", 64),
        string("seal", 64),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_audit_head")),
    )


def downgrade() -> None:
    for table in (
        *("audit_head", "audit_entry"),
        *("role_binding", "role", "api_key", "principal", "workspace_entry"),
        *("server_key", "credential_tenant", "tenant"),
    ):
        op.drop_table(table)
