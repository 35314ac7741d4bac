"""Secrets of workspaces, and the data keys that their values are sealed with."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TABLES = ("data_key", "secret")
UUID = sa.String(36).with_variant(sa.UUID(as_uuid=False), "postgresql")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
# As in 0004, whose functions these are.
WALL = "(SELECT towpath_every_tenant()) OR tenant_id = ANY ((SELECT towpath_tenants())::uuid[])"


def uuid(name: str) -> sa.Column[str]:
    return sa.Column(name, UUID, nullable=False)


def string(name: str, length: int) -> sa.Column[str]:
    kind = sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")
    return sa.Column(name, kind, nullable=False)


def text(name: str) -> sa.Column[str]:
    return sa.Column(name, TEXT, nullable=False)


def number(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "data_key",
        uuid("tenant_id"),
        string("key_id", 32),
        text("sealed"),
        number("created_us"),
        number("retired_us", nullable=True),
        number("records"),
        sa.PrimaryKeyConstraint("tenant_id", "key_id", name=op.f("pk_data_key")),
    )
    op.create_table(
        "secret",
        uuid("tenant_id"),
        string("workspace_id", 63),
        string("secret_id", 63),
        uuid("row_id"),
        text("description"),
        number("version"),
        number("revision"),
        string("key_id", 32),
        text("sealed"),
        text("setter"),
        number("created_us"),
        number("updated_us"),
        sa.PrimaryKeyConstraint("tenant_id", "workspace_id", "secret_id", name=op.f("pk_secret")),
    )
    op.create_index(op.f("ix_secret_tenant_id_key_id"), "secret", ["tenant_id", "key_id"])
    if op.get_context().dialect.name != "postgresql":
        return
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant_wall ON {table} USING ({WALL}) WITH CHECK ({WALL})")


def downgrade() -> None:
    op.drop_table("secret")
    op.drop_table("data_key")
