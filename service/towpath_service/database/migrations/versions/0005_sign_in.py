"""Trusts in issuers, logins with refresh tokens, and devices that wait to be signed in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

UUID = sa.String(36).with_variant(sa.UUID(as_uuid=False), "postgresql")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
# As in 0004.
WALL = "(SELECT towpath_every_tenant()) OR tenant_id = ANY ((SELECT towpath_tenants())::uuid[])"
ADDED = ("kind", "trust_id", "used_tokens")


def string(name: str, length: int, *, nullable: bool = False) -> sa.Column[str]:
    kind = sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")
    return sa.Column(name, kind, nullable=nullable)


def us(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, TEXT, nullable=nullable)


def upgrade() -> None:
    for column in (
        sa.Column("kind", sa.SmallInteger(), nullable=False, server_default="1"),
        string("trust_id", 63, nullable=True),
        text("used_tokens", nullable=True),
    ):
        op.add_column("api_key", column)
    op.create_table(
        "trust",
        sa.Column("tenant_id", UUID, nullable=False),
        string("trust_id", 63),
        string("issuer", 255),
        text("terms"),
        string("credential_id", 16, nullable=True),
        text("created_by"),
        us("created_us"),
        sa.PrimaryKeyConstraint("tenant_id", "trust_id", name=op.f("pk_trust")),
    )
    op.create_table(
        "waiting_device",
        string("device_id", 16),
        string("user_code", 8),
        string("digest", 64),
        sa.Column("pepper_version", sa.Integer(), nullable=False),
        text("client_name"),
        text("address"),
        us("created_us"),
        us("expires_us"),
        us("polled_us", nullable=True),
        sa.Column("approved_tenant_id", UUID, nullable=True),
        string("credential_id", 16, nullable=True),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_waiting_device")),
        sa.UniqueConstraint("user_code", name=op.f("uq_waiting_device_user_code")),
    )
    op.create_index(
        op.f("ix_waiting_device_address_expires_us"), "waiting_device", ["address", "expires_us"]
    )
    if op.get_context().dialect.name == "postgresql":
        op.execute("ALTER TABLE trust ENABLE ROW LEVEL SECURITY")
        op.execute("ALTER TABLE trust FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant_wall ON trust USING ({WALL}) WITH CHECK ({WALL})")


def downgrade() -> None:
    op.drop_table("waiting_device")
    op.drop_table("trust")
    # An earlier version would treat other credentials as API keys.
    op.execute("DELETE FROM api_key WHERE kind <> 1")
    for column in reversed(ADDED):
        op.drop_column("api_key", column)
