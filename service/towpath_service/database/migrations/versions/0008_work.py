"""Deployments, schedules, work pools, workers, and the runs that wait for them or are leased.

Transitions get evidence of the end of a process.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TABLES = (
    "work_pool",
    "work_queue",
    "worker",
    "deployment",
    "deployment_revision",
    "schedule",
    "schedule_slot",
    "run_key",
    "run_origin",
    "queued",
    "work_lease",
    "run_directive",
    "backfill",
)
DEPLOYMENT = ("tenant_id", "workspace_id", "flow_id", "deployment_id")
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


def string(name: str, length: int, *, nullable: bool = False) -> sa.Column[str]:
    kind = sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")
    return sa.Column(name, kind, nullable=nullable)


def text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, TEXT, nullable=nullable)


def number(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def integer(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False)


def small(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.SmallInteger(), nullable=False)


def flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), nullable=False)


def where(condition: str) -> dict[str, Any]:
    return {"postgresql_where": sa.text(condition), "sqlite_where": sa.text(condition)}


def _add_pools() -> None:
    op.create_table(
        "work_pool",
        uuid("tenant_id"),
        string("workspace_id", 63),
        string("pool_id", 63),
        string("kind", 63),
        text("description"),
        text("job_template"),
        flag("paused"),
        integer("concurrency_limit"),
        number("lease_us"),
        number("start_timeout_us"),
        number("grace_us"),
        number("revision"),
        number("created_us"),
        number("updated_us"),
        sa.PrimaryKeyConstraint("tenant_id", "workspace_id", "pool_id", name=op.f("pk_work_pool")),
    )
    op.create_table(
        "work_queue",
        uuid("tenant_id"),
        string("workspace_id", 63),
        string("pool_id", 63),
        string("queue_id", 63),
        text("description"),
        integer("rank"),
        flag("paused"),
        integer("concurrency_limit"),
        number("revision"),
        number("created_us"),
        number("updated_us"),
        sa.PrimaryKeyConstraint(
            "tenant_id", "workspace_id", "pool_id", "queue_id", name=op.f("pk_work_queue")
        ),
    )
    op.create_table(
        "worker",
        uuid("tenant_id"),
        string("workspace_id", 63),
        string("pool_id", 63),
        string("worker_id", 63),
        uuid("instance_id"),
        uuid("attachment", nullable=True),
        number("started_us", nullable=True),
        flag("attached"),
        flag("draining"),
        integer("slots"),
        text("queues"),
        text("labels"),
        text("version"),
        text("host"),
        text("principal"),
        number("created_us"),
        number("seen_us"),
        sa.PrimaryKeyConstraint(
            "tenant_id", "workspace_id", "pool_id", "worker_id", name=op.f("pk_worker")
        ),
    )
    op.create_index(op.f("ix_worker_tenant_id_seen_us"), "worker", ["tenant_id", "seen_us"])


def _add_deployments() -> None:
    op.create_table(
        "deployment",
        uuid("tenant_id"),
        string("workspace_id", 63),
        string("flow_id", 63),
        string("deployment_id", 63),
        string("pool_id", 63),
        string("queue_id", 63),
        flag("paused"),
        integer("concurrency_limit"),
        small("collision_strategy"),
        number("revision"),
        text("owner"),
        number("created_us"),
        number("updated_us"),
        sa.PrimaryKeyConstraint(*DEPLOYMENT, name=op.f("pk_deployment")),
    )
    op.create_index(
        op.f("ix_deployment_tenant_id_workspace_id_pool_id"),
        "deployment",
        ["tenant_id", "workspace_id", "pool_id"],
    )
    op.create_table(
        "deployment_revision",
        uuid("tenant_id"),
        string("workspace_id", 63),
        string("flow_id", 63),
        string("deployment_id", 63),
        number("revision"),
        text("content"),
        text("actor"),
        number("created_us"),
        sa.PrimaryKeyConstraint(*DEPLOYMENT, "revision", name=op.f("pk_deployment_revision")),
    )
    op.create_table(
        "schedule",
        uuid("tenant_id"),
        string("workspace_id", 63),
        string("flow_id", 63),
        string("deployment_id", 63),
        string("schedule_id", 63),
        text("content"),
        flag("paused"),
        string("zone_version", 63),
        number("next_due_us", nullable=True),
        number("wake_us", nullable=True),
        number("decided_us"),
        number("revision"),
        number("created_us"),
        number("updated_us"),
        sa.PrimaryKeyConstraint(*DEPLOYMENT, "schedule_id", name=op.f("pk_schedule")),
        postgresql_with=FLEETING,
    )
    op.create_index(
        op.f("ix_schedule_tenant_id_wake_us"),
        "schedule",
        ["tenant_id", "wake_us"],
        **where("wake_us IS NOT NULL"),
    )
    op.create_table(
        "schedule_slot",
        uuid("tenant_id"),
        string("workspace_id", 63),
        string("flow_id", 63),
        string("deployment_id", 63),
        string("schedule_id", 63),
        number("slot_us"),
        small("outcome"),
        uuid("run_id", nullable=True),
        number("count"),
        text("message"),
        number("decided_us"),
        sa.PrimaryKeyConstraint(
            *DEPLOYMENT, "schedule_id", "slot_us", name=op.f("pk_schedule_slot")
        ),
    )
    op.create_index(
        op.f("ix_schedule_slot_tenant_id_decided_us"), "schedule_slot", ["tenant_id", "decided_us"]
    )
    op.create_table(
        "backfill",
        uuid("tenant_id"),
        string("workspace_id", 63),
        string("backfill_id", 63),
        string("flow_id", 63),
        string("deployment_id", 63),
        string("schedule_id", 63),
        number("start_us"),
        number("end_us"),
        integer("max_active"),
        text("parameters", nullable=True),
        number("total"),
        number("created"),
        number("next_us"),
        small("state"),
        text("creator"),
        number("created_us"),
        number("ended_us", nullable=True),
        sa.PrimaryKeyConstraint(
            "tenant_id", "workspace_id", "backfill_id", name=op.f("pk_backfill")
        ),
    )
    op.create_index(op.f("ix_backfill_tenant_id_state"), "backfill", ["tenant_id", "state"])


def _add_runs() -> None:
    op.create_table(
        "run_key",
        uuid("tenant_id"),
        string("workspace_id", 63),
        string("flow_id", 63),
        string("deployment_id", 63),
        string("key", 255),
        uuid("run_id"),
        number("created_us"),
        sa.PrimaryKeyConstraint(*DEPLOYMENT, "key", name=op.f("pk_run_key")),
    )
    op.create_index(op.f("ix_run_key_tenant_id_created_us"), "run_key", ["tenant_id", "created_us"])
    op.create_table(
        "run_origin",
        uuid("tenant_id"),
        uuid("run_id"),
        string("workspace_id", 63),
        string("flow_id", 63),
        string("deployment_id", 63),
        number("deployment_revision"),
        string("schedule_id", 63),
        number("slot_us", nullable=True),
        string("backfill_id", 63),
        small("trigger"),
        string("pool_id", 63),
        string("queue_id", 63),
        integer("priority"),
        number("start_deadline_us", nullable=True),
        text("job_overrides"),
        text("creator"),
        integer("crash_retries"),
        integer("returns"),
        sa.PrimaryKeyConstraint("tenant_id", "run_id", name=op.f("pk_run_origin")),
    )
    op.create_index(
        op.f("ix_run_origin_tenant_id_workspace_id_backfill_id_run_id"),
        "run_origin",
        ["tenant_id", "workspace_id", "backfill_id", "run_id"],
    )
    op.create_index(
        op.f("ix_run_origin_tenant_id_workspace_id_flow_id_deployment_id_schedule_id_run_id"),
        "run_origin",
        [*DEPLOYMENT, "schedule_id", "run_id"],
    )
    op.create_table(
        "queued",
        uuid("tenant_id"),
        uuid("run_id"),
        string("workspace_id", 63),
        string("pool_id", 63),
        string("queue_id", 63),
        string("flow_id", 63),
        string("deployment_id", 63),
        string("schedule_id", 63),
        integer("priority"),
        number("due_us"),
        number("deadline_us", nullable=True),
        string("parked_by", 300, nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "run_id", name=op.f("pk_queued")),
        postgresql_with=FLEETING,
    )
    op.create_index(
        op.f("ix_queued_deadline"),
        "queued",
        ["tenant_id", "deadline_us"],
        **where("deadline_us IS NOT NULL"),
    )
    op.create_index(op.f("ix_queued_deployment"), "queued", [*DEPLOYMENT])
    op.create_index(
        op.f("ix_queued_parked"),
        "queued",
        ["tenant_id", "workspace_id", "parked_by"],
        **where("parked_by IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_queued_ready"),
        "queued",
        [
            "tenant_id",
            "workspace_id",
            "pool_id",
            "queue_id",
            sa.text("priority DESC"),
            "due_us",
            "run_id",
        ],
        **where("parked_by IS NULL"),
    )
    op.create_table(
        "work_lease",
        uuid("tenant_id"),
        uuid("run_id"),
        string("workspace_id", 63),
        uuid("lease_id"),
        number("fence"),
        integer("attempt"),
        string("pool_id", 63),
        string("queue_id", 63),
        string("flow_id", 63),
        string("deployment_id", 63),
        string("worker_id", 63),
        uuid("instance_id"),
        small("phase"),
        flag("counts"),
        number("pid"),
        number("granted_us"),
        number("phase_us"),
        number("expires_us"),
        sa.PrimaryKeyConstraint("tenant_id", "run_id", name=op.f("pk_work_lease")),
        postgresql_with=FLEETING,
    )
    op.create_index(op.f("ix_work_lease_deployment"), "work_lease", [*DEPLOYMENT])
    op.create_index(op.f("ix_work_lease_expires_us"), "work_lease", ["tenant_id", "expires_us"])
    op.create_index(
        op.f("ix_work_lease_tenant_id_workspace_id_pool_id_worker_id"),
        "work_lease",
        ["tenant_id", "workspace_id", "pool_id", "worker_id"],
    )
    op.create_index(
        op.f("ux_work_lease_lease_id"), "work_lease", ["tenant_id", "lease_id"], unique=True
    )
    op.create_table(
        "run_directive",
        uuid("tenant_id"),
        uuid("run_id"),
        string("workspace_id", 63),
        small("kind"),
        number("revision"),
        text("message"),
        number("grace_us", nullable=True),
        text("actor"),
        number("created_us"),
        sa.PrimaryKeyConstraint("tenant_id", "run_id", name=op.f("pk_run_directive")),
    )
    op.create_table(
        "service_alive",
        sa.Column("only", sa.SmallInteger(), autoincrement=False, nullable=False),
        number("seen_us"),
        sa.PrimaryKeyConstraint("only", name=op.f("pk_service_alive")),
    )


def upgrade() -> None:
    op.add_column("transition", text("evidence", nullable=True))
    _add_pools()
    _add_deployments()
    _add_runs()
    if op.get_context().dialect.name != "postgresql":
        return
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant_wall ON {table} USING ({WALL}) WITH CHECK ({WALL})")


def downgrade() -> None:
    for table in (*TABLES, "service_alive"):
        op.drop_table(table)
    op.drop_column("transition", "evidence")
