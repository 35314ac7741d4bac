"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Compared byte by byte, as SQLite does.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
# Rows that every commit updates find room on their own page.
ROOM = {"fillfactor": 50}


def string(length: int) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    info = op.create_table(
        "schema_info",
        sa.Column("only", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("oldest_service", string(4), nullable=False),
        sa.PrimaryKeyConstraint("only", name=op.f("pk_schema_info")),
    )
    op.bulk_insert(info, [{"only": 1, "oldest_service": revision}])
    op.create_table(
        "deleted_run",
        sa.Column(
            "tenant_id",
            sa.String(length=36).with_variant(sa.UUID(as_uuid=False), "postgresql"),
            nullable=False,
        ),
        sa.Column("workspace_id", string(63), nullable=False),
        sa.Column(
            "run_id",
            sa.String(length=36).with_variant(sa.UUID(as_uuid=False), "postgresql"),
            nullable=False,
        ),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("deleted_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "workspace_id", "run_id", name=op.f("pk_deleted_run")),
    )
    with op.batch_alter_table("deleted_run", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_deleted_run_tenant_id_workspace_id_position"),
            ["tenant_id", "workspace_id", "position"],
            unique=False,
        )

    op.create_table(
        "flow",
        sa.Column(
            "tenant_id",
            sa.String(length=36).with_variant(sa.UUID(as_uuid=False), "postgresql"),
            nullable=False,
        ),
        sa.Column("workspace_id", string(63), nullable=False),
        sa.Column("flow_id", string(63), nullable=False),
        sa.Column("display_name", TEXT, nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "workspace_id", "flow_id", name=op.f("pk_flow")),
    )
    op.create_table(
        "log_line",
        sa.Column(
            "tenant_id",
            sa.String(length=36).with_variant(sa.UUID(as_uuid=False), "postgresql"),
            nullable=False,
        ),
        sa.Column("workspace_id", string(63), nullable=False),
        sa.Column(
            "producer_id",
            sa.String(length=36).with_variant(sa.UUID(as_uuid=False), "postgresql"),
            nullable=False,
        ),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column(
            "run_id",
            sa.String(length=36).with_variant(sa.UUID(as_uuid=False), "postgresql"),
            nullable=False,
        ),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("occurred_us", sa.BigInteger(), nullable=False),
        sa.Column("severity", sa.SmallInteger(), nullable=False),
        sa.Column("logger", TEXT, nullable=False),
        sa.Column("body", TEXT, nullable=False),
        sa.Column("attributes", TEXT, nullable=True),
        sa.Column("failure", TEXT, nullable=True),
        sa.Column("trace_id", string(32), nullable=False),
        sa.Column("span_id", string(16), nullable=False),
        sa.PrimaryKeyConstraint(
            "tenant_id", "workspace_id", "producer_id", "sequence", name=op.f("pk_log_line")
        ),
    )
    with op.batch_alter_table("log_line", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_log_line_tenant_id_run_id_position"),
            ["tenant_id", "run_id", "position"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_log_line_tenant_id_workspace_id_position"),
            ["tenant_id", "workspace_id", "position"],
            unique=False,
        )

    op.create_table(
        "producer",
        sa.Column(
            "tenant_id",
            sa.String(length=36).with_variant(sa.UUID(as_uuid=False), "postgresql"),
            nullable=False,
        ),
        sa.Column("workspace_id", string(63), nullable=False),
        sa.Column(
            "producer_id",
            sa.String(length=36).with_variant(sa.UUID(as_uuid=False), "postgresql"),
            nullable=False,
        ),
        sa.Column("committed_sequence", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("log_sequence", sa.BigInteger(), nullable=False),
        sa.Column("logs_dropped", sa.BigInteger(), nullable=False),
        sa.Column("info", TEXT, nullable=False),
        sa.Column("committed_us", sa.BigInteger(), nullable=True),
        sa.Column("seen_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "tenant_id", "workspace_id", "producer_id", name=op.f("pk_producer")
        ),
        postgresql_with=ROOM,
    )
    op.create_table(
        "refusal",
        sa.Column(
            "tenant_id",
            sa.String(length=36).with_variant(sa.UUID(as_uuid=False), "postgresql"),
            nullable=False,
        ),
        sa.Column("workspace_id", string(63), nullable=False),
        sa.Column(
            "producer_id",
            sa.String(length=36).with_variant(sa.UUID(as_uuid=False), "postgresql"),
            nullable=False,
        ),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("run_id", string(255), nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("rule", string(63), nullable=False),
        sa.Column("message", TEXT, nullable=False),
        sa.Column("metadata", TEXT, nullable=False),
        sa.Column("current_state", sa.SmallInteger(), nullable=False),
        sa.Column("requested_state", sa.SmallInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("occurred_us", sa.BigInteger(), nullable=False),
        sa.Column("recorded_us", sa.BigInteger(), nullable=False),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint(
            "tenant_id", "workspace_id", "producer_id", "sequence", name=op.f("pk_refusal")
        ),
    )
    with op.batch_alter_table("refusal", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_refusal_tenant_id_run_id"), ["tenant_id", "run_id"], unique=False
        )

    op.create_table(
        "run",
        sa.Column(
            "tenant_id",
            sa.String(length=36).with_variant(sa.UUID(as_uuid=False), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "run_id",
            sa.String(length=36).with_variant(sa.UUID(as_uuid=False), "postgresql"),
            nullable=False,
        ),
        sa.Column("workspace_id", string(63), nullable=False),
        sa.Column("short_id", string(8), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("display_name", TEXT, nullable=False),
        sa.Column("flow_id", string(63), nullable=False),
        sa.Column("flow_name", TEXT, nullable=False),
        sa.Column("task_key", TEXT, nullable=False),
        sa.Column("task_name", TEXT, nullable=False),
        sa.Column("task_index", sa.Integer(), nullable=False),
        sa.Column(
            "parent_run_id",
            sa.String(length=36).with_variant(sa.UUID(as_uuid=False), "postgresql"),
            nullable=True,
        ),
        sa.Column(
            "root_run_id",
            sa.String(length=36).with_variant(sa.UUID(as_uuid=False), "postgresql"),
            nullable=False,
        ),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("message", TEXT, nullable=False),
        sa.Column("state_us", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("inferred", sa.Boolean(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("next_attempt_us", sa.BigInteger(), nullable=True),
        sa.Column("scheduled_us", sa.BigInteger(), nullable=True),
        sa.Column("started_us", sa.BigInteger(), nullable=True),
        sa.Column("ended_us", sa.BigInteger(), nullable=True),
        sa.Column("running_us", sa.BigInteger(), nullable=False),
        sa.Column("labels", TEXT, nullable=False),
        sa.Column("tags", TEXT, nullable=False),
        sa.Column("progress", TEXT, nullable=True),
        sa.Column("code_version", TEXT, nullable=False),
        sa.Column("cache_key", TEXT, nullable=False),
        sa.Column(
            "cached_from_run_id",
            sa.String(length=36).with_variant(sa.UUID(as_uuid=False), "postgresql"),
            nullable=True,
        ),
        sa.Column("traceparent", TEXT, nullable=False),
        sa.Column("tracestate", TEXT, nullable=False),
        sa.Column(
            "producer_id",
            sa.String(length=36).with_variant(sa.UUID(as_uuid=False), "postgresql"),
            nullable=True,
        ),
        sa.Column("occurred_us", sa.BigInteger(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("updated_us", sa.BigInteger(), nullable=False),
        sa.Column("observed_late", sa.Boolean(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "run_id", name=op.f("pk_run")),
    )
    with op.batch_alter_table("run", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_run_tenant_id_parent_run_id_state"),
            ["tenant_id", "parent_run_id", "state"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_run_tenant_id_producer_id_state"),
            ["tenant_id", "producer_id", "state"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_run_tenant_id_root_run_id"), ["tenant_id", "root_run_id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_run_tenant_id_short_id"), ["tenant_id", "short_id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_run_tenant_id_workspace_id_created_us_run_id"),
            ["tenant_id", "workspace_id", "created_us", "run_id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_run_tenant_id_workspace_id_flow_id_created_us"),
            ["tenant_id", "workspace_id", "flow_id", "created_us"],
            unique=False,
        )
        batch_op.create_index(
            "ix_run_flow_runs",
            ["tenant_id", "workspace_id", "created_us", "run_id"],
            unique=False,
            postgresql_where=sa.text("kind = 1"),
            sqlite_where=sa.text("kind = 1"),
        )
        batch_op.create_index(
            "ix_run_flow_runs_of_flow",
            ["tenant_id", "workspace_id", "flow_id", "created_us", "run_id"],
            unique=False,
            postgresql_where=sa.text("kind = 1"),
            sqlite_where=sa.text("kind = 1"),
        )
        batch_op.create_index(
            batch_op.f("ix_run_tenant_id_workspace_id_position"),
            ["tenant_id", "workspace_id", "position"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_run_tenant_id_workspace_id_state_created_us"),
            ["tenant_id", "workspace_id", "state", "created_us"],
            unique=False,
        )

    op.create_table(
        "run_count",
        sa.Column(
            "tenant_id",
            sa.String(length=36).with_variant(sa.UUID(as_uuid=False), "postgresql"),
            nullable=False,
        ),
        sa.Column("workspace_id", string(63), nullable=False),
        sa.Column("flow_id", string(63), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("runs", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "tenant_id", "workspace_id", "flow_id", "kind", "state", name=op.f("pk_run_count")
        ),
        postgresql_with=ROOM,
    )
    op.create_table(
        "run_detail",
        sa.Column(
            "tenant_id",
            sa.String(length=36).with_variant(sa.UUID(as_uuid=False), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "run_id",
            sa.String(length=36).with_variant(sa.UUID(as_uuid=False), "postgresql"),
            nullable=False,
        ),
        sa.Column("parameters", TEXT, nullable=True),
        sa.Column("result", TEXT, nullable=True),
        sa.Column("failure", TEXT, nullable=True),
        sa.Column("dependencies", TEXT, nullable=True),
        sa.Column("retry_policy", TEXT, nullable=True),
        sa.Column("timeout_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "run_id", name=op.f("pk_run_detail")),
    )
    op.create_table(
        "run_label",
        sa.Column(
            "tenant_id",
            sa.String(length=36).with_variant(sa.UUID(as_uuid=False), "postgresql"),
            nullable=False,
        ),
        sa.Column("workspace_id", string(63), nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("value", TEXT, nullable=False),
        sa.Column(
            "run_id",
            sa.String(length=36).with_variant(sa.UUID(as_uuid=False), "postgresql"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint(
            "tenant_id", "workspace_id", "key", "run_id", name=op.f("pk_run_label")
        ),
    )
    with op.batch_alter_table("run_label", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_run_label_tenant_id_run_id"), ["tenant_id", "run_id"], unique=False
        )

    op.create_table(
        "run_tag",
        sa.Column(
            "tenant_id",
            sa.String(length=36).with_variant(sa.UUID(as_uuid=False), "postgresql"),
            nullable=False,
        ),
        sa.Column("workspace_id", string(63), nullable=False),
        sa.Column("tag", TEXT, nullable=False),
        sa.Column(
            "run_id",
            sa.String(length=36).with_variant(sa.UUID(as_uuid=False), "postgresql"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint(
            "tenant_id", "workspace_id", "tag", "run_id", name=op.f("pk_run_tag")
        ),
    )
    with op.batch_alter_table("run_tag", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_run_tag_tenant_id_run_id"), ["tenant_id", "run_id"], unique=False
        )

    op.create_table(
        "transition",
        sa.Column(
            "tenant_id",
            sa.String(length=36).with_variant(sa.UUID(as_uuid=False), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "run_id",
            sa.String(length=36).with_variant(sa.UUID(as_uuid=False), "postgresql"),
            nullable=False,
        ),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("workspace_id", string(63), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("from_state", sa.SmallInteger(), nullable=False),
        sa.Column("to_state", sa.SmallInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("message", TEXT, nullable=False),
        sa.Column("failure", TEXT, nullable=True),
        sa.Column("occurred_us", sa.BigInteger(), nullable=False),
        sa.Column("recorded_us", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.SmallInteger(), nullable=False),
        sa.Column("inferred", sa.Boolean(), nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column(
            "producer_id",
            sa.String(length=36).with_variant(sa.UUID(as_uuid=False), "postgresql"),
            nullable=True,
        ),
        sa.Column("producer_sequence", sa.BigInteger(), nullable=False),
        sa.Column("next_attempt_us", sa.BigInteger(), nullable=True),
        sa.Column("rule", string(63), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "run_id", "revision", name=op.f("pk_transition")),
    )
    with op.batch_alter_table("transition", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_transition_tenant_id_workspace_id_position"),
            ["tenant_id", "workspace_id", "position"],
            unique=False,
        )

    op.create_table(
        "workspace",
        sa.Column(
            "tenant_id",
            sa.String(length=36).with_variant(sa.UUID(as_uuid=False), "postgresql"),
            nullable=False,
        ),
        sa.Column("workspace_id", string(63), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("log_position", sa.BigInteger(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "workspace_id", name=op.f("pk_workspace")),
        postgresql_with=ROOM,
    )


def downgrade() -> None:
    op.drop_table("schema_info")
    op.drop_table("workspace")
    with op.batch_alter_table("transition", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_transition_tenant_id_workspace_id_position"))

    op.drop_table("transition")
    with op.batch_alter_table("run_tag", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_run_tag_tenant_id_run_id"))

    op.drop_table("run_tag")
    with op.batch_alter_table("run_label", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_run_label_tenant_id_run_id"))

    op.drop_table("run_label")
    op.drop_table("run_detail")
    op.drop_table("run_count")
    with op.batch_alter_table("run", schema=None) as batch_op:
        batch_op.drop_index("ix_run_flow_runs")
        batch_op.drop_index("ix_run_flow_runs_of_flow")
        batch_op.drop_index(batch_op.f("ix_run_tenant_id_workspace_id_state_created_us"))
        batch_op.drop_index(batch_op.f("ix_run_tenant_id_workspace_id_position"))
        batch_op.drop_index(batch_op.f("ix_run_tenant_id_workspace_id_flow_id_created_us"))
        batch_op.drop_index(batch_op.f("ix_run_tenant_id_workspace_id_created_us_run_id"))
        batch_op.drop_index(batch_op.f("ix_run_tenant_id_short_id"))
        batch_op.drop_index(batch_op.f("ix_run_tenant_id_root_run_id"))
        batch_op.drop_index(batch_op.f("ix_run_tenant_id_producer_id_state"))
        batch_op.drop_index(batch_op.f("ix_run_tenant_id_parent_run_id_state"))

    op.drop_table("run")
    with op.batch_alter_table("refusal", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_refusal_tenant_id_run_id"))

    op.drop_table("refusal")
    op.drop_table("producer")
    with op.batch_alter_table("log_line", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_log_line_tenant_id_workspace_id_position"))
        batch_op.drop_index(batch_op.f("ix_log_line_tenant_id_run_id_position"))

    op.drop_table("log_line")
    op.drop_table("flow")
    with op.batch_alter_table("deleted_run", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_deleted_run_tenant_id_workspace_id_position"))

    op.drop_table("deleted_run")
