"""The tables of runs, the same on every database.

`tenant_id` leads every primary key, unique constraint and index of tenant data. Times are whole
microseconds since the Unix epoch, UTC (`*_us`); states and kinds are the numbers of the contract's
enums; structured values are JSON text. `position` numbers the changes of a workspace in commit
order, without gaps; watches follow it.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    UniqueConstraint,
    column,
    literal_column,
    text,
)

from towpath_service.database import columns
from towpath_service.database.tables import OF_A_RUN, OF_INSTALLATION, metadata

# Rows that every commit updates need free space on their own page.
_ROOM: Final = {"fillfactor": 50}


FLOW: Final = literal_column("1", SmallInteger)
"""The kind of flow runs as a literal: databases don't match bound values with partial indexes."""


def _of_flow_runs(name: str, *names: str) -> Index:
    of_flows = column("kind", SmallInteger) == FLOW
    return Index(name, "tenant_id", *names, postgresql_where=of_flows, sqlite_where=of_flows)


schema_info = Table(
    "schema_info",
    metadata,
    # One row: of the whole database, not of a tenant.
    Column("only", SmallInteger, primary_key=True, autoincrement=False),
    columns.string("oldest_service", 4),
    info=OF_INSTALLATION,
)

workspace = Table(
    "workspace",
    metadata,
    *columns.scope(),
    columns.big_integer("position"),
    columns.big_integer("log_position"),
    columns.microseconds("created_us"),
    # Positions up to which transitions, lines and tombstones may be gone.
    Column("transition_floor", BigInteger, nullable=False, server_default="0"),
    Column("log_floor", BigInteger, nullable=False, server_default="0"),
    Column("tombstone_floor", BigInteger, nullable=False, server_default="0"),
    # See `stored_bytes.py`.
    Column("stored_bytes", BigInteger, nullable=False, server_default="0"),
    PrimaryKeyConstraint("tenant_id", "workspace_id"),
    postgresql_with=_ROOM,
)

flow = Table(
    "flow",
    metadata,
    *columns.scope(),
    columns.string("flow_id", 63),
    columns.text("display_name"),
    columns.microseconds("created_us"),
    PrimaryKeyConstraint("tenant_id", "workspace_id", "flow_id"),
)

run_count = Table(
    "run_count",
    metadata,
    *columns.scope(),
    columns.string("flow_id", 63),
    Column("kind", SmallInteger, nullable=False),
    Column("state", SmallInteger, nullable=False),
    columns.big_integer("runs"),
    PrimaryKeyConstraint("tenant_id", "workspace_id", "flow_id", "kind", "state"),
    postgresql_with=_ROOM,
)

run = Table(
    "run",
    metadata,
    columns.uuid("tenant_id"),
    columns.uuid("run_id"),
    columns.string("workspace_id", 63),
    columns.string("short_id", 8),
    Column("kind", SmallInteger, nullable=False),
    columns.text("display_name"),
    columns.string("flow_id", 63),
    columns.text("flow_name"),
    columns.text("task_key"),
    columns.text("task_name"),
    Column("task_index", Integer, nullable=False),
    columns.uuid("parent_run_id", nullable=True),
    columns.uuid("root_run_id"),
    Column("state", SmallInteger, nullable=False),
    columns.text("reason"),
    columns.text("message"),
    columns.microseconds("state_us"),
    columns.big_integer("revision"),
    Column("attempt", Integer, nullable=False),
    Column("inferred", Boolean, nullable=False),
    columns.big_integer("fence"),
    columns.microseconds("next_attempt_us", nullable=True),
    columns.microseconds("scheduled_us", nullable=True),
    columns.microseconds("started_us", nullable=True),
    columns.microseconds("ended_us", nullable=True),
    columns.microseconds("running_us"),
    columns.text("labels"),
    columns.text("tags"),
    columns.text("progress", nullable=True),
    columns.text("code_version"),
    columns.text("cache_key"),
    columns.uuid("cached_from_run_id", nullable=True),
    columns.text("traceparent"),
    columns.text("tracestate"),
    columns.uuid("producer_id", nullable=True),
    columns.microseconds("occurred_us"),
    columns.microseconds("created_us"),
    columns.microseconds("updated_us"),
    Column("observed_late", Boolean, nullable=False),
    columns.big_integer("position"),
    PrimaryKeyConstraint("tenant_id", "run_id"),
    Index(None, "tenant_id", "workspace_id", "position"),
    Index(None, "tenant_id", "workspace_id", "created_us", "run_id"),
    Index(None, "tenant_id", "workspace_id", "state", "created_us"),
    Index(None, "tenant_id", "workspace_id", "flow_id", "created_us"),
    # Flow runs are one in hundreds of runs, and users mostly list flow runs.
    _of_flow_runs("ix_run_flow_runs", "workspace_id", "created_us", "run_id"),
    _of_flow_runs("ix_run_flow_runs_of_flow", "workspace_id", "flow_id", "created_us", "run_id"),
    Index(None, "tenant_id", "parent_run_id", "state"),
    Index(None, "tenant_id", "root_run_id"),
    Index(None, "tenant_id", "short_id"),
    Index(None, "tenant_id", "producer_id", "state"),
)

run_detail = Table(
    "run_detail",
    metadata,
    columns.uuid("tenant_id"),
    columns.uuid("run_id"),
    columns.text("parameters", nullable=True),
    columns.text("result", nullable=True),
    columns.text("failure", nullable=True),
    columns.text("dependencies", nullable=True),
    columns.text("retry_policy", nullable=True),
    columns.microseconds("timeout_us", nullable=True),
    PrimaryKeyConstraint("tenant_id", "run_id"),
)

run_tag = Table(
    "run_tag",
    metadata,
    *columns.scope(),
    columns.text("tag"),
    columns.uuid("run_id"),
    PrimaryKeyConstraint("tenant_id", "workspace_id", "tag", "run_id"),
    Index(None, "tenant_id", "run_id"),
)

run_label = Table(
    "run_label",
    metadata,
    *columns.scope(),
    columns.text("key"),
    columns.text("value"),
    columns.uuid("run_id"),
    PrimaryKeyConstraint("tenant_id", "workspace_id", "key", "run_id"),
    Index(None, "tenant_id", "run_id"),
)

transition = Table(
    "transition",
    metadata,
    columns.uuid("tenant_id"),
    columns.uuid("run_id"),
    columns.big_integer("revision"),
    columns.string("workspace_id", 63),
    columns.big_integer("position"),
    Column("from_state", SmallInteger, nullable=False),
    Column("to_state", SmallInteger, nullable=False),
    Column("attempt", Integer, nullable=False),
    columns.text("reason"),
    columns.text("message"),
    columns.text("failure", nullable=True),
    columns.microseconds("occurred_us"),
    columns.microseconds("recorded_us"),
    Column("source", SmallInteger, nullable=False),
    Column("inferred", Boolean, nullable=False),
    columns.text("actor"),
    columns.uuid("producer_id", nullable=True),
    columns.big_integer("producer_sequence"),
    columns.microseconds("next_attempt_us", nullable=True),
    columns.string("rule", 63),
    # That the run's process had ended; JSON, null where there is none.
    columns.text("evidence", nullable=True),
    PrimaryKeyConstraint("tenant_id", "run_id", "revision"),
    Index(None, "tenant_id", "workspace_id", "position"),
)

producer = Table(
    "producer",
    metadata,
    *columns.scope(),
    columns.uuid("producer_id"),
    columns.big_integer("committed_sequence"),
    columns.big_integer("epoch"),
    columns.big_integer("log_sequence"),
    columns.big_integer("logs_dropped"),
    columns.text("info"),
    columns.microseconds("committed_us", nullable=True),
    columns.microseconds("seen_us"),
    PrimaryKeyConstraint("tenant_id", "workspace_id", "producer_id"),
    postgresql_with=_ROOM,
)

refusal = Table(
    "refusal",
    metadata,
    *columns.scope(),
    columns.uuid("producer_id"),
    columns.big_integer("sequence"),
    columns.string("run_id", 255),
    columns.text("reason"),
    columns.string("rule", 63),
    columns.text("message"),
    columns.text("metadata"),
    Column("current_state", SmallInteger, nullable=False),
    Column("requested_state", SmallInteger, nullable=False),
    Column("attempt", Integer, nullable=False),
    columns.microseconds("occurred_us"),
    columns.microseconds("recorded_us"),
    Column("confirmed", Boolean, nullable=False),
    PrimaryKeyConstraint("tenant_id", "workspace_id", "producer_id", "sequence"),
    Index(None, "tenant_id", "run_id"),
)

log_line = Table(
    "log_line",
    metadata,
    *columns.scope(),
    columns.uuid("producer_id"),
    columns.big_integer("sequence"),
    columns.uuid("run_id"),
    columns.big_integer("position"),
    Column("attempt", Integer, nullable=False),
    columns.microseconds("occurred_us"),
    Column("severity", SmallInteger, nullable=False),
    columns.text("logger"),
    columns.text("body"),
    columns.text("attributes", nullable=True),
    columns.text("failure", nullable=True),
    columns.string("trace_id", 32),
    columns.string("span_id", 16),
    PrimaryKeyConstraint("tenant_id", "workspace_id", "producer_id", "sequence"),
    Index(None, "tenant_id", "run_id", "position"),
    Index(None, "tenant_id", "workspace_id", "position"),
)

run_pause = Table(
    "run_pause",
    metadata,
    columns.uuid("tenant_id"),
    columns.uuid("run_id"),
    columns.string("pause_key", 255),
    columns.string("workspace_id", 63),
    # Without a process; the service itself ends it at its deadline.
    Column("suspended", Boolean, nullable=False),
    # Neither answered nor over.
    Column("waiting", Boolean, nullable=False),
    columns.text("input_schema"),
    columns.microseconds("created_us"),
    columns.microseconds("deadline_us", nullable=True),
    columns.microseconds("answered_us", nullable=True),
    columns.text("input", nullable=True),
    columns.text("actor"),
    columns.uuid("request_id", nullable=True),
    PrimaryKeyConstraint("tenant_id", "run_id", "pause_key"),
    Index(
        "ix_run_pause_deadline_us",
        *("tenant_id", "deadline_us"),
        postgresql_where=text("waiting AND suspended"),
        sqlite_where=text("waiting AND suspended"),
    ),
    info=OF_A_RUN,
)

run_input = Table(
    "run_input",
    metadata,
    columns.uuid("tenant_id"),
    columns.uuid("run_id"),
    # Among those of the run, from 1.
    columns.big_integer("position"),
    columns.string("workspace_id", 63),
    columns.uuid("input_id"),
    columns.string("key_prefix", 200),
    columns.string("sender", 255),
    columns.text("content"),
    columns.microseconds("created_us"),
    PrimaryKeyConstraint("tenant_id", "run_id", "position"),
    UniqueConstraint("tenant_id", "run_id", "input_id"),
)

artifact = Table(
    "artifact",
    metadata,
    columns.uuid("tenant_id"),
    columns.uuid("artifact_id"),
    columns.string("workspace_id", 63),
    columns.uuid("run_id"),
    columns.uuid("root_run_id"),
    columns.string("key", 255),
    # Among those of the same key, from 1; 0 without a key.
    columns.big_integer("version"),
    Column("kind", SmallInteger, nullable=False),
    columns.text("display_name"),
    columns.text("description"),
    columns.text("content"),
    columns.big_integer("size_bytes"),
    columns.microseconds("occurred_us"),
    columns.microseconds("created_us"),
    columns.microseconds("updated_us"),
    PrimaryKeyConstraint("tenant_id", "artifact_id"),
    Index(None, "tenant_id", "run_id"),
    Index(None, "tenant_id", "root_run_id"),
    Index(None, "tenant_id", "workspace_id", "key", "version"),
    Index(None, "tenant_id", "workspace_id", "created_us", "artifact_id"),
)

deleted_run = Table(
    "deleted_run",
    metadata,
    *columns.scope(),
    columns.uuid("run_id"),
    columns.big_integer("position"),
    columns.microseconds("deleted_us"),
    PrimaryKeyConstraint("tenant_id", "workspace_id", "run_id"),
    Index(None, "tenant_id", "workspace_id", "position"),
)
