"""The tables of work, the same on every database.

Times are whole microseconds since the Unix epoch, UTC (`*_us`). Kinds, phases, policies and
outcomes are the numbers of the contract's enums, or of `work/domain`. Structured values are JSON.

A run has at most one lease and at most one entry in `queued`, by their keys. No table counts
leases: used slots are counted from `work_lease`.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    column,
    false,
)

from towpath_service.database import columns
from towpath_service.database.tables import OF_A_RUN, OF_INSTALLATION, metadata

# Rows that come and go at the pace of runs.
_FLEETING: Final = {
    "fillfactor": 70,
    "autovacuum_vacuum_scale_factor": 0.01,
    "autovacuum_vacuum_threshold": 1000,
}

_DEPLOYMENT: Final = ("tenant_id", "workspace_id", "flow_id", "deployment_id")

work_pool = Table(
    "work_pool",
    metadata,
    *columns.scope(),
    columns.string("pool_id", 63),
    columns.string("kind", 63),
    columns.text("description"),
    columns.text("job_template"),
    Column("paused", Boolean, nullable=False),
    Column("concurrency_limit", Integer, nullable=False),
    columns.microseconds("lease_us"),
    columns.microseconds("start_timeout_us"),
    columns.microseconds("grace_us"),
    columns.big_integer("revision"),
    columns.microseconds("created_us"),
    columns.microseconds("updated_us"),
    PrimaryKeyConstraint("tenant_id", "workspace_id", "pool_id"),
)

work_queue = Table(
    "work_queue",
    metadata,
    *columns.scope(),
    columns.string("pool_id", 63),
    columns.string("queue_id", 63),
    columns.text("description"),
    Column("rank", Integer, nullable=False),
    Column("paused", Boolean, nullable=False),
    Column("concurrency_limit", Integer, nullable=False),
    columns.big_integer("revision"),
    columns.microseconds("created_us"),
    columns.microseconds("updated_us"),
    PrimaryKeyConstraint("tenant_id", "workspace_id", "pool_id", "queue_id"),
)

worker = Table(
    "worker",
    metadata,
    *columns.scope(),
    columns.string("pool_id", 63),
    columns.string("worker_id", 63),
    columns.uuid("instance_id"),
    # Id of its newest stream, which fences off older ones at every replica.
    columns.uuid("attachment", nullable=True),
    # When the instance began, by its own clock: the later one of two is the newer.
    columns.microseconds("started_us", nullable=True),
    # Whether its stream is open at a replica; `seen_us` tells when that was last true.
    Column("attached", Boolean, nullable=False),
    # Asked for by the worker itself, or by DrainWorker.
    Column("draining", Boolean, nullable=False),
    Column("slots", Integer, nullable=False),
    columns.text("queues"),
    columns.text("labels"),
    columns.text("version"),
    columns.text("host"),
    columns.text("principal"),
    columns.microseconds("created_us"),
    columns.microseconds("seen_us"),
    # How far its clock was ahead when it attached; null if it isn't known.
    columns.microseconds("clock_offset_us", nullable=True),
    # Asked for by PauseWorker; holds until ResumeWorker.
    Column("paused", Boolean, nullable=False, server_default=false()),
    PrimaryKeyConstraint("tenant_id", "workspace_id", "pool_id", "worker_id"),
    Index(None, "tenant_id", "seen_us"),
)

deployment = Table(
    "deployment",
    metadata,
    *columns.scope(),
    columns.string("flow_id", 63),
    columns.string("deployment_id", 63),
    # Empty for a deployment that no worker executes.
    columns.string("pool_id", 63),
    columns.string("queue_id", 63),
    Column("paused", Boolean, nullable=False),
    Column("concurrency_limit", Integer, nullable=False),
    Column("collision_strategy", SmallInteger, nullable=False),
    columns.big_integer("revision"),
    columns.text("owner"),
    columns.microseconds("created_us"),
    columns.microseconds("updated_us"),
    PrimaryKeyConstraint(*_DEPLOYMENT),
    Index(None, "tenant_id", "workspace_id", "pool_id"),
)

deployment_revision = Table(
    "deployment_revision",
    metadata,
    *columns.scope(),
    columns.string("flow_id", 63),
    columns.string("deployment_id", 63),
    columns.big_integer("revision"),
    # All that its author gave, see `domain/deployments.py`. Never changed.
    columns.text("content"),
    columns.text("actor"),
    columns.microseconds("created_us"),
    PrimaryKeyConstraint(*_DEPLOYMENT, "revision"),
)

schedule = Table(
    "schedule",
    metadata,
    *columns.scope(),
    columns.string("flow_id", 63),
    columns.string("deployment_id", 63),
    columns.string("schedule_id", 63),
    # Rule, label, parameters and policies, see `domain/schedules.py`.
    columns.text("content"),
    Column("paused", Boolean, nullable=False),
    # Version of the zone data that `next_due_us` was worked out with.
    columns.string("zone_version", 63),
    # The next due time; null when nothing is due: paused, at its end.
    columns.microseconds("next_due_us", nullable=True),
    # When the tick is to look at it: `next_due_us` with its jitter.
    columns.microseconds("wake_us", nullable=True),
    # Due times up to here are decided.
    columns.microseconds("decided_us"),
    columns.big_integer("revision"),
    columns.microseconds("created_us"),
    columns.microseconds("updated_us"),
    PrimaryKeyConstraint(*_DEPLOYMENT, "schedule_id"),
    Index(
        None,
        "tenant_id",
        "wake_us",
        postgresql_where=column("wake_us").is_not(None),
        sqlite_where=column("wake_us").is_not(None),
    ),
    postgresql_with=_FLEETING,
)

schedule_slot = Table(
    "schedule_slot",
    metadata,
    *columns.scope(),
    columns.string("flow_id", 63),
    columns.string("deployment_id", 63),
    columns.string("schedule_id", 63),
    # Of a stretch of missed times, the last.
    columns.microseconds("slot_us"),
    Column("outcome", SmallInteger, nullable=False),
    columns.uuid("run_id", nullable=True),
    columns.big_integer("count"),
    columns.text("message"),
    columns.microseconds("decided_us"),
    PrimaryKeyConstraint(*_DEPLOYMENT, "schedule_id", "slot_us"),
    Index(None, "tenant_id", "decided_us"),
)

run_key = Table(
    "run_key",
    metadata,
    *columns.scope(),
    columns.string("flow_id", 63),
    columns.string("deployment_id", 63),
    columns.string("key", 255),
    columns.uuid("run_id"),
    columns.microseconds("created_us"),
    PrimaryKeyConstraint(*_DEPLOYMENT, "key"),
    Index(None, "tenant_id", "created_us"),
)

run_origin = Table(
    "run_origin",
    metadata,
    columns.uuid("tenant_id"),
    columns.uuid("run_id"),
    columns.string("workspace_id", 63),
    columns.string("flow_id", 63),
    columns.string("deployment_id", 63),
    columns.big_integer("deployment_revision"),
    # Empty for runs that no schedule created.
    columns.string("schedule_id", 63),
    columns.microseconds("slot_us", nullable=True),
    columns.string("backfill_id", 63),
    Column("trigger", SmallInteger, nullable=False),
    columns.string("pool_id", 63),
    columns.string("queue_id", 63),
    Column("priority", Integer, nullable=False),
    columns.microseconds("start_deadline_us", nullable=True),
    columns.text("job_overrides"),
    columns.text("creator"),
    # Attempts that crashed and were followed by another, of those that may.
    Column("crash_retries", Integer, nullable=False),
    # Times that a lease came back before the process had started.
    Column("returns", Integer, nullable=False),
    # What the last retry is to run again: JSON, null for nothing.
    columns.text("replay", nullable=True),
    PrimaryKeyConstraint("tenant_id", "run_id"),
    Index(None, *_DEPLOYMENT, "schedule_id", "run_id"),
    Index(None, "tenant_id", "workspace_id", "backfill_id", "run_id"),
    info=OF_A_RUN,
)

queued = Table(
    "queued",
    metadata,
    columns.uuid("tenant_id"),
    columns.uuid("run_id"),
    columns.string("workspace_id", 63),
    columns.string("pool_id", 63),
    columns.string("queue_id", 63),
    columns.string("flow_id", 63),
    columns.string("deployment_id", 63),
    columns.string("schedule_id", 63),
    Column("priority", Integer, nullable=False),
    columns.microseconds("due_us"),
    # After this it is too late to start; null for runs without a start deadline.
    columns.microseconds("deadline_us", nullable=True),
    # The full limit or the schedule that holds it back, see `domain/dispatching.py`; null if none.
    columns.string("parked_by", 300, nullable=True),
    PrimaryKeyConstraint("tenant_id", "run_id"),
    Index(
        "ix_queued_ready",
        *("tenant_id", "workspace_id", "pool_id", "queue_id"),
        column("priority", Integer).desc(),
        *("due_us", "run_id"),
        postgresql_where=column("parked_by").is_(None),
        sqlite_where=column("parked_by").is_(None),
    ),
    Index(
        "ix_queued_parked",
        *("tenant_id", "workspace_id", "parked_by"),
        postgresql_where=column("parked_by").is_not(None),
        sqlite_where=column("parked_by").is_not(None),
    ),
    Index(
        "ix_queued_deadline",
        *("tenant_id", "deadline_us"),
        postgresql_where=column("deadline_us").is_not(None),
        sqlite_where=column("deadline_us").is_not(None),
    ),
    Index("ix_queued_deployment", *_DEPLOYMENT),
    postgresql_with=_FLEETING,
)

work_lease = Table(
    "work_lease",
    metadata,
    columns.uuid("tenant_id"),
    columns.uuid("run_id"),
    columns.string("workspace_id", 63),
    columns.uuid("lease_id"),
    columns.big_integer("fence"),
    Column("attempt", Integer, nullable=False),
    columns.string("pool_id", 63),
    columns.string("queue_id", 63),
    columns.string("flow_id", 63),
    columns.string("deployment_id", 63),
    columns.string("worker_id", 63),
    columns.uuid("instance_id"),
    # See `domain/leases.py`.
    Column("phase", SmallInteger, nullable=False),
    # Whether it takes up a slot of the limits of its deployment, queue and pool.
    Column("counts", Boolean, nullable=False),
    columns.big_integer("pid"),
    columns.microseconds("granted_us"),
    # When its phase began.
    columns.microseconds("phase_us"),
    columns.microseconds("expires_us"),
    PrimaryKeyConstraint("tenant_id", "run_id"),
    Index("ux_work_lease_lease_id", "tenant_id", "lease_id", unique=True),
    Index(None, "tenant_id", "workspace_id", "pool_id", "worker_id"),
    Index("ix_work_lease_expires_us", "tenant_id", "expires_us"),
    Index("ix_work_lease_deployment", *_DEPLOYMENT),
    postgresql_with=_FLEETING,
    info=OF_A_RUN,
)

run_directive = Table(
    "run_directive",
    metadata,
    columns.uuid("tenant_id"),
    columns.uuid("run_id"),
    columns.string("workspace_id", 63),
    Column("kind", SmallInteger, nullable=False),
    columns.big_integer("revision"),
    columns.text("message"),
    columns.microseconds("grace_us", nullable=True),
    columns.text("actor"),
    columns.microseconds("created_us"),
    PrimaryKeyConstraint("tenant_id", "run_id"),
    info=OF_A_RUN,
)

backfill = Table(
    "backfill",
    metadata,
    *columns.scope(),
    columns.string("backfill_id", 63),
    columns.string("flow_id", 63),
    columns.string("deployment_id", 63),
    columns.string("schedule_id", 63),
    columns.microseconds("start_us"),
    columns.microseconds("end_us"),
    Column("max_active", Integer, nullable=False),
    columns.text("parameters", nullable=True),
    columns.big_integer("total"),
    columns.big_integer("created"),
    # Due times before this have their run.
    columns.microseconds("next_us"),
    Column("state", SmallInteger, nullable=False),
    columns.text("creator"),
    columns.microseconds("created_us"),
    columns.microseconds("ended_us", nullable=True),
    PrimaryKeyConstraint("tenant_id", "workspace_id", "backfill_id"),
    Index(None, "tenant_id", "state"),
)

service_alive = Table(
    "service_alive",
    metadata,
    # One row: the last moment at which a replica lived. Leases get the time since then anew.
    Column("only", SmallInteger, primary_key=True, autoincrement=False),
    columns.microseconds("seen_us"),
    info=OF_INSTALLATION,
)
