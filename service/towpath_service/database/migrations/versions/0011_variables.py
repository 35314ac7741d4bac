"""Variables of workspaces, and artifacts of runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TABLES = ("variable", "artifact")
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


def number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _add_variables() -> None:
    op.create_table(
        "variable",
        uuid("tenant_id"),
        string("workspace_id", 63),
        string("variable_id", 255),
        uuid("row_id"),
        text("value_json"),
        text("tags"),
        number("revision"),
        number("created_us"),
        number("updated_us"),
        sa.PrimaryKeyConstraint(
            "tenant_id", "workspace_id", "variable_id", name=op.f("pk_variable")
        ),
    )


def _add_artifacts() -> None:
    op.create_table(
        "artifact",
        uuid("tenant_id"),
        uuid("artifact_id"),
        string("workspace_id", 63),
        uuid("run_id"),
        uuid("root_run_id"),
        string("key", 255),
        number("version"),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        text("display_name"),
        text("description"),
        text("content"),
        number("size_bytes"),
        number("occurred_us"),
        number("created_us"),
        number("updated_us"),
        sa.PrimaryKeyConstraint("tenant_id", "artifact_id", name=op.f("pk_artifact")),
    )
    for columns in (
        ["run_id"],
        ["root_run_id"],
        ["workspace_id", "key", "version"],
        ["workspace_id", "created_us", "artifact_id"],
    ):
        name = op.f(f"ix_artifact_tenant_id_{'_'.join(columns)}")
        op.create_index(name, "artifact", ["tenant_id", *columns])


def upgrade() -> None:
    _add_variables()
    _add_artifacts()
    if op.get_context().dialect.name != "postgresql":
        return
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant_wall ON {table} USING ({WALL}) WITH CHECK ({WALL})")


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)
