"""Inputs that are sent to runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

UUID = sa.String(36).with_variant(sa.UUID(as_uuid=False), "postgresql")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
# As in 0004, whose functions these are.
WALL = "(SELECT towpath_every_tenant()) OR tenant_id = ANY ((SELECT towpath_tenants())::uuid[])"


def uuid(name: str) -> sa.Column[str]:
    return sa.Column(name, UUID, nullable=False)


def string(name: str, length: int) -> sa.Column[str]:
    kind = sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")
    return sa.Column(name, kind, nullable=False)


def upgrade() -> None:
    op.create_table(
        "run_input",
        uuid("tenant_id"),
        uuid("run_id"),
        sa.Column("position", sa.BigInteger(), nullable=False),
        string("workspace_id", 63),
        uuid("input_id"),
        string("key_prefix", 200),
        string("sender", 255),
        sa.Column("content", TEXT, nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "run_id", "position", name=op.f("pk_run_input")),
        sa.UniqueConstraint(
            "tenant_id", "run_id", "input_id", name=op.f("uq_run_input_tenant_id_run_id_input_id")
        ),
    )
    if op.get_context().dialect.name != "postgresql":
        return
    op.execute("ALTER TABLE run_input ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE run_input FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant_wall ON run_input USING ({WALL}) WITH CHECK ({WALL})")


def downgrade() -> None:
    op.drop_table("run_input")
