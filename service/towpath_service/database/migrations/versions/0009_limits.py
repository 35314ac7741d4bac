"""Limits on what happens at once, and the acquisitions of their slots."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TABLES = ("concurrency_limit", "limit_hold")
UUID = sa.String(36).with_variant(sa.UUID(as_uuid=False), "postgresql")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
FLEETING = {
    "fillfactor": 70,
    "autovacuum_vacuum_scale_factor": 0.01,
    "autovacuum_vacuum_threshold": 1000,
}
# As in 0004, whose functions these are.
WALL = "(SELECT towpath_every_tenant()) OR tenant_id = ANY ((SELECT towpath_tenants())::uuid[])"


def uuid(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, UUID, nullable=nullable)


def string(name: str, length: int) -> sa.Column[str]:
    kind = sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")
    return sa.Column(name, kind, nullable=False)


def text(name: str) -> sa.Column[str]:
    return sa.Column(name, TEXT, nullable=False)


def number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def column(name: str, kind: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def where(condition: str) -> dict[str, Any]:
    return {"postgresql_where": sa.text(condition), "sqlite_where": sa.text(condition)}


def _add_limits() -> None:
    op.create_table(
        "concurrency_limit",
        uuid("tenant_id"),
        string("workspace_id", 63),
        string("limit_id", 100),
        column("slots", sa.Integer()),
        number("refill_nano"),
        column("disabled", sa.Boolean()),
        text("description"),
        string("template", 100),
        number("fence"),
        number("tat_us"),
        number("revision"),
        number("created_us"),
        number("updated_us"),
        sa.PrimaryKeyConstraint(
            "tenant_id", "workspace_id", "limit_id", name=op.f("pk_concurrency_limit")
        ),
        postgresql_with=FLEETING,
    )
    op.create_index(
        op.f("ix_concurrency_limit_template"),
        "concurrency_limit",
        ["tenant_id", "workspace_id", "template"],
        **where("template <> ''"),
    )


def _add_holds() -> None:
    op.create_table(
        "limit_hold",
        uuid("tenant_id"),
        string("workspace_id", 63),
        uuid("acquisition_id"),
        string("limit_id", 100),
        column("slots", sa.Integer()),
        column("waiting", sa.Boolean()),
        column("parts", sa.SmallInteger()),
        column("priority", sa.SmallInteger()),
        number("rank_us"),
        number("asked_us"),
        number("since_us"),
        number("expires_us"),
        number("hold_us"),
        number("fence"),
        uuid("run_id", nullable=True),
        text("holder"),
        sa.PrimaryKeyConstraint(
            *("tenant_id", "workspace_id", "acquisition_id", "limit_id"),
            name=op.f("pk_limit_hold"),
        ),
        postgresql_with=FLEETING,
    )
    key = ["tenant_id", "workspace_id", "limit_id"]
    op.create_index(op.f("ix_limit_hold_held"), "limit_hold", key, **where("NOT waiting"))
    op.create_index(
        op.f("ix_limit_hold_waiting"),
        "limit_hold",
        [*key, "rank_us", "acquisition_id"],
        **where("waiting"),
    )
    op.create_index(op.f("ix_limit_hold_expires_us"), "limit_hold", ["tenant_id", "expires_us"])
    op.create_index(
        op.f("ix_limit_hold_run_id"),
        "limit_hold",
        ["tenant_id", "run_id"],
        **where("run_id IS NOT NULL"),
    )


def upgrade() -> None:
    _add_limits()
    _add_holds()
    if op.get_context().dialect.name != "postgresql":
        return
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant_wall ON {table} USING ({WALL}) WITH CHECK ({WALL})")


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)
