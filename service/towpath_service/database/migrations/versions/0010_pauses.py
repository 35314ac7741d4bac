"""Pauses of runs, with their answers."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TABLE = "run_pause"
UUID = sa.String(36).with_variant(sa.UUID(as_uuid=False), "postgresql")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
# As in 0004, whose functions these are.
WALL = "(SELECT towpath_every_tenant()) OR tenant_id = ANY ((SELECT towpath_tenants())::uuid[])"


def uuid(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, UUID, nullable=nullable)


def string(name: str, length: int) -> sa.Column[str]:
    kind: Any = sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")
    return sa.Column(name, kind, nullable=False)


def text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, TEXT, nullable=nullable)


def number(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), nullable=False)


def upgrade() -> None:
    op.create_table(
        TABLE,
        uuid("tenant_id"),
        uuid("run_id"),
        string("pause_key", 255),
        string("workspace_id", 63),
        flag("suspended"),
        flag("waiting"),
        text("input_schema"),
        number("created_us"),
        number("deadline_us", nullable=True),
        number("answered_us", nullable=True),
        text("input", nullable=True),
        text("actor"),
        uuid("request_id", nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "run_id", "pause_key", name=op.f("pk_run_pause")),
    )
    condition = sa.text("waiting AND suspended")
    op.create_index(
        op.f("ix_run_pause_deadline_us"),
        TABLE,
        ["tenant_id", "deadline_us"],
        postgresql_where=condition,
        sqlite_where=condition,
    )
    if op.get_context().dialect.name != "postgresql":
        return
    op.execute(f"ALTER TABLE {TABLE} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {TABLE} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant_wall ON {TABLE} USING ({WALL}) WITH CHECK ({WALL})")


def downgrade() -> None:
    op.drop_table(TABLE)
